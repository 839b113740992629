"""
QEMU's own device models behind a machine of ours: a bench of devices without a processor that runs.

    with Bench([order("qemu:nvme")]) as bench:
        nvme = bench.devices[0]
        bench.master(nvme, enabled=True)
        bench.write(nvme.function.bars[0].address + 0x14, 4, 0x460001)
        mark = bench.mark()
        ...
        bench.accesses(mark)

`bench` is what one uses. Below it are `process` (QEMU without files), `qtest`, `qmp`, `pci`, `viommu` and `accesses`
(every DMA, seen), `models` (which devices there are) and `behind` (disks, wires, keys). Above it are `dma` (accesses as
entries of a trace), `vtd` (QEMU's VT-d unit), and `ram`, `function` and `machine`: the reference machine with a device
of QEMU's.
"""
