import torch

A = torch.tensor([1.0, 2.0, 3.0])
B = torch.tensor([4.0, 5.0, 6.0])
C = B * A
print("C =", C)
D = C + 1
print("D =", D)

x, rounds, off = B, 0, 9.0
while off > 1e-4:
    x = (x + B / x) / 2
    off = (x * x - B).abs().max()
    rounds += 1
print("rounds:", rounds)
