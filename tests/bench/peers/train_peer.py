"""The PyTorch side of the training benchmark: AdamW steps of a transformers model on given token batches, on the processor or a GPU.

    python train_peer.py --checkpoint DIR --tokens FILE --batch 8 --sequence 128 --steps 20 --threads 2 --mode eager|compile

FILE holds little-endian int32: steps x batch x (sequence + 1) token ids; a step's inputs are the first `sequence` of each row, its targets the last. Everything a careful PyTorch user would
choose is chosen: scaled-dot-product attention, fused AdamW, foreach clipping, gradients dropped rather than zeroed. One mode a process, so that peak memory is its own. The last line printed is one JSON object.
"""
import argparse
import json
import resource
import statistics
import sys
import time

import numpy
import torch
import transformers


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--checkpoint", required=True)
    p.add_argument("--tokens", required=True)
    p.add_argument("--mode", choices=["eager", "compile"], default="eager")
    p.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    p.add_argument("--precision", choices=["float32", "bfloat16"], default="float32", help="bfloat16: products in it, weights and moments in float32")
    for name, otherwise in [("batch", 8), ("sequence", 128), ("steps", 20), ("threads", 2), ("skip", 3)]:
        p.add_argument(f"--{name}", type=int, default=otherwise)
    for name, otherwise in [("lr", 3e-4), ("decay", 0.1), ("clip", 1.0), ("beta1", 0.9), ("beta2", 0.95), ("eps", 1e-8)]:
        p.add_argument(f"--{name}", type=float, default=otherwise)
    a = p.parse_args()
    if a.steps <= a.skip:
        p.error("--steps must exceed --skip, the first steps that are not timed")

    torch.set_num_threads(a.threads)
    transformers.utils.logging.disable_progress_bar()
    rows = numpy.fromfile(a.tokens, dtype="<i4")
    wanted = a.steps * a.batch * (a.sequence + 1)
    if rows.size < wanted:
        p.error(f"{a.tokens} holds {rows.size} tokens; {wanted} are needed")
    batches = torch.from_numpy(rows[:wanted].astype("int64")).view(a.steps, a.batch, a.sequence + 1).to(a.device)

    model = transformers.AutoModelForCausalLM.from_pretrained(a.checkpoint, dtype=torch.float32, attn_implementation="sdpa").train().to(a.device)
    for module in model.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0
    matrices = [w for w in model.parameters() if w.ndim >= 2]
    vectors = [w for w in model.parameters() if w.ndim < 2]
    optimizer = torch.optim.AdamW([{"params": matrices, "weight_decay": a.decay}, {"params": vectors, "weight_decay": 0.0}],
                                  lr=a.lr, betas=(a.beta1, a.beta2), eps=a.eps, fused=True)

    def loss_of(rows):
        with torch.autocast(a.device, dtype=torch.bfloat16, enabled=a.precision == "bfloat16"):
            logits = model(rows[:, :-1], use_cache=False).logits
        return torch.nn.functional.cross_entropy(logits.flatten(0, 1).float(), rows[:, 1:].flatten())

    forward = torch.compile(loss_of) if a.mode == "compile" else loss_of
    losses, seconds, cpu = [], [], []
    for rows in batches:
        start, start_cpu = time.perf_counter(), time.process_time()
        loss = forward(rows)
        loss.backward()
        if a.clip > 0:
            torch.nn.utils.clip_grad_norm_(model.parameters(), a.clip)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        losses.append(loss.item())
        seconds.append(time.perf_counter() - start)
        cpu.append(time.process_time() - start_cpu)

    timed = seconds[a.skip:]
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    if a.device == "cuda":  # what the process took of the GPU, and keeps until its end: as our side counts
        free, total = torch.cuda.mem_get_info()
        peak = total - free
    print(json.dumps({"mode": a.mode, "torch": torch.__version__, "threads": a.threads, "parameters": model.num_parameters(), "tokensPerStep": a.batch * a.sequence,
                      "tokensPerSecond": a.batch * a.sequence / statistics.median(timed), "bestTokensPerSecond": a.batch * a.sequence / min(timed),
                      "secondsPerStep": statistics.median(timed), "cpuSecondsPerStep": statistics.median(cpu[a.skip:]), "firstStepSeconds": seconds[0], "peakBytes": peak, "losses": losses}))


if __name__ == "__main__":
    main()
