"""Writes tests/fixtures/transformers/sampling.json: what transformers' logits processors keep, and how it renders
chat templates.

Run with torch and transformers: python tests/parity/make-sampling-golden.py
"""

import json
import pathlib

import torch
from transformers.generation.logits_process import (
    MinPLogitsWarper,
    RepetitionPenaltyLogitsProcessor,
    TemperatureLogitsWarper,
    TopKLogitsWarper,
    TopPLogitsWarper,
)
from transformers.utils.chat_template_utils import render_jinja_template

torch.manual_seed(0)
cases = []
for settings in [
    {"temperature": 1.0, "topK": 5},
    {"temperature": 0.7, "topP": 0.6},
    {"temperature": 1.3, "minP": 0.2},
    {"temperature": 0.9, "topK": 12, "topP": 0.8, "minP": 0.05, "repetitionPenalty": 1.3},
    {"temperature": 1.0, "repetitionPenalty": 0.8},
]:
    logits = (torch.randn(1, 24) * 2).float()
    text = torch.tensor([[3, 5, 5, 9, 0]])
    scores = logits.clone()
    if "repetitionPenalty" in settings:
        scores = RepetitionPenaltyLogitsProcessor(settings["repetitionPenalty"])(text, scores)
    scores = TemperatureLogitsWarper(settings["temperature"])(text, scores)
    if "topK" in settings:
        scores = TopKLogitsWarper(settings["topK"])(text, scores)
    if "topP" in settings:
        scores = TopPLogitsWarper(settings["topP"])(text, scores)
    if "minP" in settings:
        scores = MinPLogitsWarper(settings["minP"])(text, scores)
    cases.append(
        {
            "settings": settings,
            "text": text[0].tolist(),
            "logits": logits[0].tolist(),
            "probabilities": torch.softmax(scores.double(), -1)[0].tolist(),
        }
    )

templates = {
    "chatml": "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\\n' + message['content'] + "
    "'<|im_end|>' + '\\n' }}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}",
    "gemma": "{{ bos_token }}{% if messages[0]['role'] == 'system' %}{{ raise_exception('System role not "
    "supported') }}{% endif %}{% for message in messages %}{% if (message['role'] == 'assistant') %}"
    "{% set role = 'model' %}{% else %}{% set role = message['role'] %}{% endif %}{{ '<start_of_turn>' + role + "
    "'\\n' + message['content'] | trim + '<end_of_turn>\\n' }}{% endfor %}{% if add_generation_prompt %}"
    "{{'<start_of_turn>model\\n'}}{% endif %}",
    "blocks": "{%- for message in messages %}\n    {{- '[' ~ message.role|upper ~ '] ' }}\n    "
    "{{- message.content }}\n    {%- if not loop.last %}{{ eos_token }}{% endif %}\n{%- endfor %}\n"
    "{%- if add_generation_prompt and true %} [ANSWER]{% endif %}",
}
message = "  Name a river, e.g. <the Rhône>.\n"
rendered = {}
for name, template in templates.items():
    conversation = [[{"role": "user", "content": message}]]
    text = render_jinja_template(
        conversation, chat_template=template, add_generation_prompt=True, bos_token="<bos>", eos_token="<eos>"
    )[0][0]
    rendered[name] = {"template": template, "text": text}

path = pathlib.Path(__file__).parent.parent / "fixtures" / "transformers" / "sampling.json"
path.write_text(json.dumps({"cases": cases, "message": message, "templates": rendered}, indent=1) + "\n")
