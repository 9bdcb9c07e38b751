import minigrad as mg

w = mg.variable(0.5)
xs = mg.placeholder((5,))
n = mg.placeholder((), mg.int64)


def more(i, h):
    return i < n


def body(i, h):
    return i + 1, (w * h + xs[i]).tanh()


zero = mg.constant(0), mg.constant(0.0)
i, h = mg.while_loop(more, body, zero)
dw = mg.gradients(h, w)
run = mg.compile([xs, n], [h, dw])

for steps in 2, 5:
    a, b = run([0.1, 0.2, 0.3, 0.4, 0.5], steps)
    print(steps, "steps: h =", round(a.item(), 4))
    print("  dh/dw =", round(b.item(), 4))
