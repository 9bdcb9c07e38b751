import torch

A = torch.tensor([1.0, 2.0, 3.0])
B = torch.tensor([4.0, 5.0, 6.0])
C = B * A
print("C =", C)
D = C + 1
print("D =", D)

x, rounds = B, 0
while (x * x - B).abs().max() > 1e-4:
    x = (x + B / x) / 2
    rounds += 1
print("rounds:", rounds)
