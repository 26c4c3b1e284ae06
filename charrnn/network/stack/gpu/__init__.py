"""Recurrent layers on an NVIDIA GPU, each way in one kernel that runs all steps.

    layer ──layout──▶ blocks, warps ──source──▶ CUDA ──driver──▶ code ──engine──▶ outputs

layout     how the work is divided
source     CUDA: layer.cu, with the cell's rule, and forward.cu or backward.cu
driver     compiles it by NVRTC and launches it through CUDA's driver
engine     the contract of engines, kept with it
"""
