import tensorflow as tf

ones = tf.ones(2)


def slope(change):
    x = tf.identity(ones)
    with tf.GradientTape() as tape:
        tape.watch(x)
        kept = y = tf.tanh(x)
        if change:
            y += 1
        else:
            y = y + 1
        total = tf.reduce_sum(y)
    print("  a new tensor:", y is not kept)
    g = tape.gradient(total, x)
    return g[0].numpy()


print("y = y + 1:")
print(f"  {slope(False):.4f}")
print("y += 1:")
print(f"  {slope(True):.4f}")
