import torch


def nearer(x):
    if x > 0:
        return x - 1
    return x + 1


for value in 3.0, -3.0:
    print(nearer(torch.tensor(value)).item())


def walk(x, rounds):
    for _ in range(rounds):
        x = nearer(x)
    return x


for rounds in 2, 4:
    print(walk(torch.tensor(9.0), rounds).item())
