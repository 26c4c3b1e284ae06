"""From bytes to clean text, piece by piece, so that a file of any size takes little memory.

    file ──containers, streams──▶ bytes ──pieces──▶ str ──cleaning──▶ Piece, Piece, …

kinds       what a file is, seen in its first bytes
encodings   which encodings a text may be in that is not in the one expected
cleaning    line ends, byte-order marks, NULs
replacing   U+FFFD for bytes that are not text, counted
streams     bytes that are read once, whose beginning can be looked at first
pieces      bytes → text
compressed  gzip, bzip2, xz, zstd → bytes
containers  files and the files in them
"""
