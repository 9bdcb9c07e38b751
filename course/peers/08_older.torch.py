import torch

Variable = torch.autograd.Variable

x = Variable(torch.ones(4, 3))
y = Variable(torch.zeros(4, 1))
w = Variable(torch.ones(3, 1), requires_grad=True)
print("a Variable is a tensor:", isinstance(w, torch.Tensor))

try:
    w.grad.data.zero_()
except AttributeError:
    print("nothing to zero yet:", w.grad)

for t in range(3):
    loss = (x.mm(w) - y).pow(2).sum()
    loss.backward()
    try:
        print(loss.data[0])
    except IndexError:
        print(t, f"{loss.item():.4f}")
    w.data -= 0.01 * w.grad.data
    w.grad.data.zero_()
