"""Two layers, updated by Adam, at a rate that falls."""

import torch

x, y = torch.randn(16, 40), torch.randn(16, 5)
model = torch.nn.Sequential(
    torch.nn.Linear(40, 20),
    torch.nn.ReLU(),
    torch.nn.Linear(20, 5),
)
loss_fn = torch.nn.MSELoss(reduction="sum")
optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
scheduler = torch.optim.lr_scheduler.StepLR(optimizer, step_size=20, gamma=0.5)
for t in range(60):
    loss = loss_fn(model(x), y)
    if t % 10 == 9:
        print(t, loss.item(), scheduler.get_last_lr())
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    scheduler.step()
