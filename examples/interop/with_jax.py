import jax
import jax.numpy as jnp
import numpy as np
from safetensors.numpy import save_file

def scores(p, x):
    return jnp.tanh(x @ p["first"]["w"] + p["first"]["b"]) @ p["out"]["w"] + p["out"]["b"]

def loss(p, x, y):
    log_p = jax.nn.log_softmax(scores(p, x))
    return -jnp.mean(jnp.take_along_axis(log_p, y[:, None], axis=1))

keys = jax.random.split(jax.random.key(1), 3)
p = {
    "first": {"w": 0.5 * jax.random.normal(keys[0], (4, 8)), "b": jnp.zeros(8)},
    "out": {"w": 0.5 * jax.random.normal(keys[1], (8, 3)), "b": jnp.zeros(3)},
}
x, y = jax.random.normal(keys[2], (5, 4)), jnp.array([0, 2, 1, 1, 0])
value, gradient = jax.value_and_grad(loss)(p, x, y)

def ours(layer):
    return {f"{layer}.W": np.array(p[layer]["w"].T, order="C"), f"{layer}.b": np.array(p[layer]["b"])}

save_file(ours("first") | ours("out"), "jax_weights.safetensors")
save_file({"x": np.array(x), "y": np.array(y, np.float32)}, "jax_batch.safetensors")

print("loss", value)
print("out_b_bar", gradient["out"]["b"])
