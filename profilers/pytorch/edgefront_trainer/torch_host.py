"""Describes this machine in the form of the agent's `probe`."""
import os
import platform

import torch

ARCH = "aarch64" if platform.machine().lower() in ("aarch64", "arm64") else "x86_64"


def boot_id():
    """Returns the same host id as the agent on this machine, because both are one host."""
    try:
        with open("/proc/sys/kernel/random/boot_id") as file:
            return file.read().strip()
    except OSError:
        return "unknown"


def probe():
    """Returns the fields that the protocol requires. Nothing is measured here, so rates are 0."""
    gpu = torch.cuda.get_device_name() if torch.cuda.is_available() else None
    page, pages = os.sysconf("SC_PAGE_SIZE"), os.sysconf("SC_PHYS_PAGES")
    cpus = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else list(range(os.cpu_count()))
    return {
        "arch": ARCH, "os": platform.system(), "kernel": platform.release(), "hostname": None, "bootId": boot_id(), "pageBytes": page,
        "cpuModel": gpu or platform.processor() or platform.machine(), "cores": os.cpu_count(), "allowedCpus": cpus, "isas": ["torch"],
        "isa": "torch-cuda" if gpu else "torch-cpu", "features": [], "memoryBytes": page * pages, "availableBytes": page * pages,
        "swapBytes": 0, "loadAverage": os.getloadavg()[0], "emulated": False, "temperatureC": None, "frequencyMhz": None,
        "readBandwidthGBs": 0, "int8Gops": 0, "fp32Gflops": 0, "libc": " ".join(platform.libc_ver()), "compiler": f"torch {torch.__version__}",
    }
