"""Samples from worker processes: through shared slots into a ring on the device, from which batches are drawn at random."""
from __future__ import annotations

import queue
import time

import numpy as np
import torch
import torch.multiprocessing as mp

import packing

SLOT = 32  # samples


def _tensors(images: int, count: int, device="cpu") -> packing.Fields:
    kinds = {np.uint8: torch.uint8, np.int16: torch.int16}
    return packing.Fields(**{k: torch.zeros((count, *shape), dtype=kinds[t], device=device)
                             for k, (shape, t) in packing.shapes(images).items()})


def _work(images: int, seed: int, worker: int, workers: int, tokenizer: str, relations: int, slots, free, full) -> None:
    from tokenizers import Tokenizer
    torch.set_num_threads(1)
    encode = packing.Encoder(Tokenizer.from_str(tokenizer))
    arrays = [packing.Fields(*(t.numpy() for t in s)) for s in slots]
    index = worker
    while True:
        slot = free.get()
        if slot is None:
            return
        for i in range(SLOT):
            packing.write_sample(images, seed, index, encode, packing.Fields(*(x[i] for x in arrays[slot])), relations)
            index += workers
        full.put(slot)


class Feed:
    def __init__(self, images: int, seed: int, workers: int, ring: int, tokenizer: str, device: str,
                 relations: int = 0):
        context = mp.get_context("fork" if device == "cpu" else "spawn")
        self.ring = _tensors(images, ring // SLOT * SLOT, device)
        self.written, self.cuda = 0, device == "cuda"
        count = 3 * workers
        self.slots = [packing.Fields(*(t.share_memory_() for t in _tensors(images, SLOT))) for _ in range(count)]
        if self.cuda:
            for s in self.slots:
                for t in s:
                    torch.cuda.cudart().cudaHostRegister(t.data_ptr(), t.numel() * t.element_size(), 0)
        self.free, self.full, self.moving = context.Queue(), context.Queue(), []
        for i in range(count):
            self.free.put(i)
        self.processes = [context.Process(target=_work, daemon=True,
                                          args=(images, seed, w, workers, tokenizer, relations, self.slots, self.free,
                                                self.full))
                          for w in range(workers)]
        for p in self.processes:
            p.start()

    def pump(self, most: int = 8) -> None:
        """Takes what the workers have finished; does not wait."""
        while self.moving and self.moving[0][0].query():
            self.free.put(self.moving.pop(0)[1])
        for _ in range(most):
            try:
                slot = self.full.get_nowait()
            except queue.Empty:
                return
            at = self.written % len(self.ring.ids)
            for to, source in zip(self.ring, self.slots[slot]):
                to[at:at + SLOT].copy_(source, non_blocking=True)
            self.written += SLOT
            if self.cuda:
                event = torch.cuda.Event()
                event.record()
                self.moving.append((event, slot))
            else:
                self.free.put(slot)

    def fill(self, count: int) -> None:
        while self.written < min(count, len(self.ring.ids)):
            self.pump()
            time.sleep(0.05)

    def batch(self, size: int) -> packing.Fields:
        there = min(self.written, len(self.ring.ids))
        index = torch.randint(there, (size,), device=self.ring.ids.device)
        return packing.Fields(*(t[index] for t in self.ring))

    def close(self) -> None:
        for p in self.processes:
            p.terminate()
            p.join()
