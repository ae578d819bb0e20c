"""Trains a transformers model by AdamW on given tokens, for the training benchmark, on the CPU or a GPU.

    python train_peer.py --checkpoint DIR --tokens FILE --batch-size 8 --context-length 128 --steps 20 --threads 2
        --mode eager|compile

FILE holds little-endian int32 token ids: steps × batch size × (context length + 1). The inputs of a step are all
but the last token of each row, the targets all but the first. Uses what a careful user of PyTorch would:
scaled-dot-product attention, fused AdamW, gradients set to None. One mode per process, so that its peak memory can
be measured. Prints one JSON object in the last line.
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


def parse_arguments():
    parser = argparse.ArgumentParser()
    parser.add_argument("--checkpoint", required=True)
    parser.add_argument("--tokens", required=True)
    parser.add_argument("--mode", choices=["eager", "compile"], default="eager")
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    parser.add_argument(
        "--precision",
        choices=["float32", "bfloat16"],
        default="float32",
        help="bfloat16: autocast of products; weights and moments stay float32",
    )
    parser.add_argument("--batch-size", type=int, default=8)
    parser.add_argument("--context-length", type=int, default=128)
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--skip", type=int, default=3, help="first steps that are not measured")
    parser.add_argument("--lr", type=float, default=3e-4)
    parser.add_argument("--weight-decay", type=float, default=0.1)
    parser.add_argument("--grad-clip", type=float, default=1.0)
    parser.add_argument("--beta1", type=float, default=0.9)
    parser.add_argument("--beta2", type=float, default=0.95)
    parser.add_argument("--eps", type=float, default=1e-8)
    args = parser.parse_args()
    if args.steps <= args.skip:
        parser.error("--steps must be larger than --skip")
    return args


def read_batches(args):
    shape = (args.steps, args.batch_size, args.context_length + 1)
    tokens = numpy.fromfile(args.tokens, dtype="<i4")
    needed = numpy.prod(shape)
    if tokens.size < needed:
        sys.exit(f"{args.tokens} holds {tokens.size} tokens; {needed} are needed")
    return torch.from_numpy(tokens[:needed].astype("int64")).view(*shape).to(args.device)


def load_model(args):
    """The model in float32, without dropout."""
    model = transformers.AutoModelForCausalLM.from_pretrained(
        args.checkpoint, dtype=torch.float32, attn_implementation="sdpa"
    )
    for module in model.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0
    return model.train().to(args.device)


def create_optimizer(model, args):
    matrices = [weight for weight in model.parameters() if weight.ndim >= 2]
    vectors = [weight for weight in model.parameters() if weight.ndim < 2]
    groups = [
        {"params": matrices, "weight_decay": args.weight_decay},
        {"params": vectors, "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=args.lr, betas=(args.beta1, args.beta2), eps=args.eps, fused=True)


def peak_bytes(device):
    """Largest resident set size of this process; on a GPU, the memory that is in use, as Cambium counts it."""
    if device == "cuda":
        free, total = torch.cuda.mem_get_info()
        return total - free
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def main():
    args = parse_arguments()
    torch.set_num_threads(args.threads)
    transformers.utils.logging.disable_progress_bar()
    batches = read_batches(args)
    model = load_model(args)
    optimizer = create_optimizer(model, args)

    def compute_loss(rows):
        with torch.autocast(args.device, dtype=torch.bfloat16, enabled=args.precision == "bfloat16"):
            logits = model(rows[:, :-1], use_cache=False).logits
        return torch.nn.functional.cross_entropy(logits.flatten(0, 1).float(), rows[:, 1:].flatten())

    forward = torch.compile(compute_loss) if args.mode == "compile" else compute_loss
    losses, seconds, cpu_seconds = [], [], []
    for rows in batches:
        start, cpu_start = time.perf_counter(), time.process_time()
        loss = forward(rows)
        loss.backward()
        if args.grad_clip > 0:
            torch.nn.utils.clip_grad_norm_(model.parameters(), args.grad_clip)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        losses.append(loss.item())
        seconds.append(time.perf_counter() - start)
        cpu_seconds.append(time.process_time() - cpu_start)

    measured = seconds[args.skip :]
    tokens_per_step = args.batch_size * args.context_length
    report = {
        "mode": args.mode,
        "torch": torch.__version__,
        "threads": args.threads,
        "parameters": model.num_parameters(),
        "tokensPerStep": tokens_per_step,
        "tokensPerSecond": tokens_per_step / statistics.median(measured),
        "bestTokensPerSecond": tokens_per_step / min(measured),
        "secondsPerStep": statistics.median(measured),
        "cpuSecondsPerStep": statistics.median(cpu_seconds[args.skip :]),
        "firstStepSeconds": seconds[0],
        "peakBytes": peak_bytes(args.device),
        "losses": losses,
    }
    print(json.dumps(report))


if __name__ == "__main__":
    main()
