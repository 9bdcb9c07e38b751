import tensorflow as tf

E = tf.reshape(tf.range(81.0), (27, 3))
E = (E * 7 % 11 - 5) / 10
W = tf.Variable([[0.5, -0.3, 0.1], [0.2, 0.4, 0.0], [-0.1, 0.3, 0.6]])


def read(name):
    h, before = tf.zeros((1, 3)), ""
    for letter in name:
        if letter != before:
            x = E[ord(letter) - ord("a") + 1]
            h = tf.tanh(x + h @ W)
        before = letter
    return h[0]


for name in "al", "anna", "elizabeth":
    with tf.GradientTape() as tape:
        h = read(name)
    dW = tape.gradient(h, W)
    state = [round(float(v), 3) for v in h]
    print(name, state)
    print("  |dW| =", round(float(tf.norm(dW)), 3))
