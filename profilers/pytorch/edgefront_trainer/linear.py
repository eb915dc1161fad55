"""RMS norm and causal convolutions."""
import torch
import torch.nn.functional as F


def rms(x, weight, eps):
    return x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + eps) * weight


def short_conv(x, taps):
    """Returns the causal depthwise convolution of x [batch, length, channels] with taps [channels, k]."""
    length, k = x.shape[1], taps.shape[1]
    x = F.pad(x, (0, 0, k - 1, 0))
    return sum(x[:, j : j + length] * taps[:, j] for j in range(k))


def causal_conv(u, response):
    """Returns the convolution of u [batch, length, d] with the impulse responses of its channels [d, length]."""
    n = 2 * u.shape[1]
    return torch.fft.irfft(torch.fft.rfft(u, n, dim=1) * torch.fft.rfft(response, n).T, n, dim=1)[:, : u.shape[1]]
