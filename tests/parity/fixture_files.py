"""Writes packed JSON fixtures that are equal to the byte when their content is."""
import json
import subprocess


def write_json_zst(path, value):
    """Needs the program zstd."""
    raw = json.dumps(value, ensure_ascii=False, separators=(",", ":"), sort_keys=True).encode()
    subprocess.run(["zstd", "-19", "--long=27", "-q", "-f", "-o", str(path)], input=raw, check=True)
