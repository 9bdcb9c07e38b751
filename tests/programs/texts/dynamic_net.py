"""A net that is another one at every step: the middle layer comes 0 to 3 times."""

import random

import torch


class DynamicNet(torch.nn.Module):
    def __init__(self, inputs, hidden, outputs):
        super().__init__()
        self.input_linear = torch.nn.Linear(inputs, hidden)
        self.middle_linear = torch.nn.Linear(hidden, hidden)
        self.output_linear = torch.nn.Linear(hidden, outputs)

    def forward(self, x):
        h_relu = self.input_linear(x).clamp(min=0)
        for _ in range(random.randint(0, 3)):
            h_relu = self.middle_linear(h_relu).clamp(min=0)
        return self.output_linear(h_relu)


random.seed(0)
x, y = torch.randn(16, 40), torch.randn(16, 5)
model = DynamicNet(40, 20, 5)
criterion = torch.nn.MSELoss(reduction="sum")
optimizer = torch.optim.SGD(model.parameters(), lr=1e-4, momentum=0.9)
for t in range(60):
    loss = criterion(model(x), y)
    if t % 10 == 9:
        print(t, loss.item())
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
