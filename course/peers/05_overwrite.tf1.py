import tensorflow.compat.v1 as tf

tf.disable_eager_execution()
session = tf.Session()
ones = tf.ones(2)


def slope(change):
    x = tf.identity(ones)
    kept = y = tf.tanh(x)
    if change:
        y += 1
    else:
        y = y + 1
    print("  a new node:", y is not kept)
    total = tf.reduce_sum(y)
    (g,) = tf.gradients(total, [x])
    return session.run(g)[0]


print("y = y + 1:")
print(f"  {slope(False):.4f}")
print("y += 1:")
print(f"  {slope(True):.4f}")
