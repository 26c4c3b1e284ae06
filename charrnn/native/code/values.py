"""Integers and vectors of machine code; Python computes with them as with its own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from charrnn.native.code.machine import Code

__all__ = ["Int", "Vector"]


class Int:
    """A 64-bit integer, or an address, of the code."""

    def __init__(self, code: Code, value: Any) -> None:
        self.code = code
        self.value = value

    def _with(self, operation: str, other: Int | int) -> Int:
        build = getattr(self.code.builder, operation)
        return Int(self.code, build(self.value, self.code.constant(other).value))

    def __add__(self, other: Int | int) -> Int:
        return self._with("add", other)

    def __sub__(self, other: Int | int) -> Int:
        return self._with("sub", other)

    def __mul__(self, other: Int | int) -> Int:
        return self._with("mul", other)

    def __floordiv__(self, other: Int | int) -> Int:
        return self._with("udiv", other)

    def minimum(self, other: Int | int) -> Int:
        """The smaller of the two."""
        return self._if("<", other)

    def maximum(self, other: Int | int) -> Int:
        """The larger of the two."""
        return self._if(">", other)

    def _if(self, order: str, other: Int | int) -> Int:
        build, limit = self.code.builder, self.code.constant(other).value
        kept = build.icmp_signed(order, self.value, limit)
        return Int(self.code, build.select(kept, self.value, limit))


class Vector:
    """W floats of the code, side by side in a register."""

    def __init__(self, code: Code, value: Any) -> None:
        self.code = code
        self.value = value

    def _with(self, operation: str, other: Vector | float) -> Vector:
        build = getattr(self.code.builder, operation)
        # Contraction makes a product and a sum one instruction. No other fast-math flag is set,
        # so that NaN stays NaN.
        return Vector(
            self.code, build(self.value, self.code.vector(other).value, flags=["contract"])
        )

    def __add__(self, other: Vector | float) -> Vector:
        return self._with("fadd", other)

    def __sub__(self, other: Vector | float) -> Vector:
        return self._with("fsub", other)

    def __rsub__(self, other: float) -> Vector:
        return self.code.vector(other) - self

    def __mul__(self, other: Vector | float) -> Vector:
        return self._with("fmul", other)

    def __truediv__(self, other: Vector | float) -> Vector:
        return self._with("fdiv", other)

    def clip(self, limit: float) -> Vector:
        """Within ±limit."""
        build, x = self.code.builder, self.value
        for bound, order in ((limit, ">"), (-limit, "<")):
            edge = self.code.vector(bound).value
            x = build.select(build.fcmp_ordered(order, x, edge), edge, x)
        return Vector(self.code, x)

    def tanh(self) -> Vector:
        """The hyperbolic tangent, to 4e-7: a quotient of polynomials.

        The coefficients are those of Eigen's `ptanh`.
        """
        x = self.clip(7.90531110763549805)
        square = x * x
        numerator = self.code.vector(TANH_NUMERATOR[0])
        denominator = self.code.vector(TANH_DENOMINATOR[0])
        for coefficient in TANH_NUMERATOR[1:]:
            numerator = numerator * square + coefficient
        for coefficient in TANH_DENOMINATOR[1:]:
            denominator = denominator * square + coefficient
        return x * numerator / denominator

    def sigmoid(self) -> Vector:
        """1 / (1 + exp(-x))."""
        return (self * 0.5).tanh() * 0.5 + 0.5


TANH_NUMERATOR = (
    -2.76076847742355e-16,
    2.00018790482477e-13,
    -8.60467152213735e-11,
    5.12229709037114e-08,
    1.48572235717979e-05,
    6.37261928875436e-04,
    4.89352455891786e-03,
)
TANH_DENOMINATOR = (
    1.19825839466702e-06,
    1.18534705686654e-04,
    2.26843463243900e-03,
    4.89352518554385e-03,
)
