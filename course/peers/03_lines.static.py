import minigrad as mg

a = mg.placeholder((3,))
b = mg.placeholder((3,))
c = b * a
d = c + 1
lines = mg.compile([a, b], [c, d])

A = mg.tensor([1.0, 2.0, 3.0])
B = mg.tensor([4.0, 5.0, 6.0])
C, D = lines(A, B)
print("C =", C)
print("D =", D)

better = (a + b / a) / 2
error = (better * better - b).abs().max()
step = mg.compile([a, b], [better, error])

x, rounds, off = B, 0, 9.0
while off > 1e-4:
    x, off = step(x, B)
    rounds += 1
print("rounds:", rounds)
