import textwrap

import torch

Variable = torch.autograd.Variable

x = Variable(torch.ones(4, 3))
y = Variable(torch.zeros(4, 1))
w = Variable(torch.ones(3, 1), requires_grad=True)


def older(use):
    try:
        print(use())
    except Exception as error:
        print(type(error).__name__)
        for line in str(error).splitlines()[:3]:
            print(textwrap.fill(line, 60))


print("1. zero before the first backward")
older(lambda: w.grad.data.zero_())

loss = (x.mm(w) - y).pow(2).sum()
loss.backward()
print("2. loss.data[0]")
older(lambda: loss.data[0])

print("today:", loss.item())
for _ in range(2):
    w.grad.data.zero_()
    loss = (x.mm(w) - y).pow(2).sum()
    loss.backward()
    w.data -= 0.01 * w.grad.data
print("after two steps:", f"{loss.item():.4f}")
