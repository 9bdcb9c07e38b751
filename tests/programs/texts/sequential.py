"""Two layers as a Sequential, updated by hand."""

import torch

x, y = torch.randn(16, 40), torch.randn(16, 5)
model = torch.nn.Sequential(
    torch.nn.Linear(40, 20),
    torch.nn.ReLU(),
    torch.nn.Linear(20, 5),
)
loss_fn = torch.nn.MSELoss(reduction="sum")
rate = 1e-3
for t in range(60):
    loss = loss_fn(model(x), y)
    if t % 10 == 9:
        print(t, loss.item())
    model.zero_grad()
    loss.backward()
    with torch.no_grad():
        for param in model.parameters():
            param.data -= rate * param.grad
print(model)
