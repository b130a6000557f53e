import torch
from torch import nn
from safetensors.torch import save_file

torch.manual_seed(1)
net = nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 3))
x, y = torch.randn(5, 4), torch.tensor([0, 2, 1, 1, 0])

loss = nn.functional.cross_entropy(net(x), y)
loss.backward()

names = {"0.weight": "first.W", "0.bias": "first.b", "2.weight": "out.W", "2.bias": "out.b"}
weights = {names[name]: value for name, value in net.named_parameters()}
save_file({name: value.detach() for name, value in weights.items()}, "torch_weights.safetensors")
save_file({"x": x, "y": y.float()}, "torch_batch.safetensors")

print("loss", loss.item())
print("out_b_bar", weights["out.b"].grad.tolist())
