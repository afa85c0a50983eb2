"""Torch models of known networks, whose tensors have the names of published state dicts."""

from __future__ import annotations

from kcsim.retrain.torch_extra import nn, torch


class LeNet5(nn.Module):
    """LeNet-5 as Caffe has it: 20 and 50 filters of 5x5, 500 and 10 units; 28x28 images."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.conv2 = nn.Conv2d(1, 20, 5), nn.Conv2d(20, 50, 5)
        self.ip1, self.ip2 = nn.Linear(800, 500), nn.Linear(500, 10)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Scores of the classes."""
        x = nn.functional.max_pool2d(self.conv1(images), 2)
        x = nn.functional.max_pool2d(self.conv2(x), 2)
        scores: torch.Tensor = self.ip2(torch.relu(self.ip1(x.flatten(1))))
        return scores


class _Block(nn.Module):
    def __init__(self, channels: int, width: int) -> None:
        super().__init__()
        stride = width // channels
        self.conv1 = nn.Conv2d(channels, width, 3, stride=stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.missing = (width - channels) // 2

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        x = self.bn2(self.conv2(torch.relu(self.bn1(self.conv1(images)))))
        if self.missing:
            images = nn.functional.pad(
                images[:, :, ::2, ::2], (0, 0, 0, 0, self.missing, self.missing)
            )
        return torch.relu(x + images)


class CifarResNet(nn.Module):
    """A ResNet for 32x32 images with shortcuts of option A (He et al. 2016, Section 4.2).

    Parameters
    ----------
    blocks : int
        Blocks of a stage: 3 for ResNet-20, 9 for ResNet-56.
    """

    def __init__(self, blocks: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 16, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(16)
        self.layer1 = nn.Sequential(*(_Block(16, 16) for _ in range(blocks)))
        self.layer2 = nn.Sequential(_Block(16, 32), *(_Block(32, 32) for _ in range(blocks - 1)))
        self.layer3 = nn.Sequential(_Block(32, 64), *(_Block(64, 64) for _ in range(blocks - 1)))
        self.linear = nn.Linear(64, 10)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Scores of the classes."""
        x = torch.relu(self.bn1(self.conv1(images)))
        x = self.layer3(self.layer2(self.layer1(x)))
        scores: torch.Tensor = self.linear(x.mean((2, 3)))
        return scores
