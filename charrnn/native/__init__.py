"""Machine code for the processor at hand, made with llvmlite where it is installed.

    equations ──training_code, writing_code──▶ machine ──LLVM──▶ functions ──threads──▶ arrays

processor      what the processor offers
machine        integers, vectors and loops of machine code, written as Python
intrinsics     bytes, exponentials and waiting in such code
threads        how work is divided among threads
training_code  a recurrent layer over a sequence, forward and backward
writing_code   steps and draws of many sequences
writer         long texts by it, with weights in bytes
"""
