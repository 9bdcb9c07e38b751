"""Two layers as a class of one's own."""

import torch


class TwoLayerNet(torch.nn.Module):
    def __init__(self, inputs, hidden, outputs):
        super().__init__()
        self.linear1 = torch.nn.Linear(inputs, hidden)
        self.linear2 = torch.nn.Linear(hidden, outputs)

    def forward(self, x):
        h_relu = self.linear1(x).clamp(min=0)
        return self.linear2(h_relu)


x, y = torch.randn(16, 40), torch.randn(16, 5)
model = TwoLayerNet(40, 20, 5)
loss_fn = torch.nn.MSELoss(reduction="sum")
optimizer = torch.optim.SGD(model.parameters(), lr=1e-3, momentum=0.5)
for t in range(60):
    loss = loss_fn(model(x), y)
    if t % 10 == 9:
        print(t, loss.item())
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
for name, param in model.named_parameters():
    print(name, tuple(param.shape), param.norm().item())
