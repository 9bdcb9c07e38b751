import minigrad as mg


def bell(x, m, s):
    u = (x - m) / s
    top = mg.exp(-u * u / 2)
    return top / (2.5066283 * s)


x = mg.placeholder((5,))
node = bell(x, 1.0, 2.0)
program = mg.compile([x], node)
X = mg.linspace(-3, 5, 5)
for y in program(X):
    print(f"{y.item():.4f}")
