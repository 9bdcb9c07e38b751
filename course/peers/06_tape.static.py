import minigrad as mg

x = mg.placeholder(())
w = mg.placeholder(())
b = mg.placeholder(())
y = (x * w + b) ** 2
gw, gb = mg.gradients(y, [w, b])

sum_w = mg.variable(0.0)
sum_b = mg.variable(0.0)
walk = mg.compile(
    [x, w, b],
    updates={
        sum_w: sum_w + gw,
        sum_b: sum_b + gb,
    },
)
for turn in range(3):
    walk(2.0, 3.0, 1.0)
    a = sum_w.get_value().item()
    z = sum_b.get_value().item()
    print("turn", turn, a, z)

sum_w.set_value(0.0)
print("zeroed:", sum_w.get_value().item())
