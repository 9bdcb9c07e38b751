import minigrad as mg

x, w, b = mg.placeholder(()), mg.placeholder(()), mg.placeholder(())
y = (x * w + b) ** 2
gw, gb = mg.gradients(y, [w, b])
sum_w = mg.variable(0.0, name="sum_w")
sum_b = mg.variable(0.0, name="sum_b")
more = {sum_w: sum_w + gw, sum_b: sum_b + gb}
walk = mg.compile([x, w, b], [], updates=more)

for turn in range(3):
    walk(2.0, 3.0, 1.0)
    print("turn", turn, sum_w.get_value().item(), sum_b.get_value().item())

sum_w.set_value(0.0)
print("zeroed:", sum_w.get_value().item())
