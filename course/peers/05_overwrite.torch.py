import torch

ones = torch.ones(2)


def slope(change):
    x = ones.clone()
    x.requires_grad_(True)
    y = torch.tanh(x)
    if change:
        y += 1
    else:
        y = y + 1
    y.sum().backward()
    return x.grad[0].item()


print("y = y + 1:")
print(f"  {slope(False):.4f}")

try:
    slope(True)
except RuntimeError:
    print("y += 1:")
    print("  refused at backward")
