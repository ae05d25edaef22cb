"""Detection: a one-stage, anchor-free detector around an encoder, its targets and losses, and average precision.

Tian, Shen, Chen, He, ICCV 2019 (arXiv 1904.01355), "FCOS: Fully Convolutional One-Stage Object Detection".
"""
