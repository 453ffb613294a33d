"""OpenVINO: generation through openvino-genai, encoders through the runtime itself.

Exporting a generating model needs optimum-intel with a transformers of its own, so that it runs in a
second virtual environment (PLEXUS_OPTIMUM_PYTHON, set by environment.py).
"""
import os

import numpy as np
import openvino

from . import Built, Net, Refused, clock, ids, net_input
from .huggingface import export_encoder, run_exporter, with_tokenizer
from .safetensors import Checkpoint

WEIGHTS = {"causal": {"f32": "f32", "bf16": "f16", "q8": "int8 per channel, embedding too",
                      "q4": "int4, groups of 128; head and embedding int8"},
           "encoder": {"f32": "f32", "bf16": "f32, computes in bf16",
                       "q8": "int8 weights and activations (nncf.quantize)"},
           "net": {"f32": "f32"}}
FORMAT = {"f32": ["fp32"], "bf16": ["fp16"], "q8": ["int8"],
          "q4": ["int4", "--group-size", "128", "--ratio", "1.0"]}
FLOATS = "activations not rounded to bytes"
HEAD_BITS = {"f32": 32, "bf16": 16, "q8": 8, "q4": 8}
BITS = {"f32": 32, "bf16": 16, "q8": 8, "q4": 4.125}


def version():
    try:
        from openvino_genai import __version__ as genai
    except ImportError:
        genai = "none"
    return f"openvino {openvino.__version__.split('-')[0]}, genai {genai.split('-')[0]}"


def convert(source, kind, weights, folder):
    if kind == "net":
        return Built(os.path.join(source, "net.onnx"), kind, "f32", 0, 0, source=source)
    make = {"causal": convert_causal, "encoder": convert_encoder}[kind]
    path = os.path.join(folder, f"openvino-{weights}" + (".xml" if kind == "encoder" else ""))
    if not os.path.exists(path):
        make(source, weights, path, folder)
    model = Checkpoint(source)
    head = model.config["vocab_size"] * model.config["hidden_size"] if kind == "causal" else 0
    body = model.matrix_elements() - head
    return Built(path, kind, WEIGHTS[kind][weights],
                 int(body * BITS[weights] + head * HEAD_BITS[weights]) // 8,
                 model.config["vocab_size"], model.products())


def convert_causal(source, weights, path, folder):
    python = os.environ.get("PLEXUS_OPTIMUM_PYTHON", "")
    if not os.path.exists(python):
        raise Refused("exporting needs optimum-intel in an environment of its own")
    tool = os.path.join(os.path.dirname(python), "optimum-cli")
    command = [tool, "export", "openvino", "-m", with_tokenizer(source, folder), "--task",
               "text-generation-with-past", "--weight-format", *FORMAT[weights], path + ".new"]
    run_exporter("optimum-cli", command)
    os.rename(path + ".new", path)


def convert_encoder(source, weights, path, folder):
    plain = os.path.join(folder, "encoder.onnx")
    if not os.path.exists(plain):
        export_encoder(source, plain)
    model = openvino.convert_model(plain)
    if weights == "q8":
        import nncf

        tokens = np.array(ids(128, Checkpoint(source).config["vocab_size"]), np.int64).reshape(1, 128)
        inputs = [{"input_ids": tokens, "attention_mask": np.ones_like(tokens)}]
        model = nncf.quantize(model, nncf.Dataset(inputs), subset_size=1,
                              model_type=nncf.ModelType.TRANSFORMER)
    openvino.save_model(model, path, compress_to_fp16=False)


def settings(built, threads):
    """f32 weights are computed with as such; otherwise the precision is the peer's own choice."""
    chosen = {"INFERENCE_NUM_THREADS": threads, "PERFORMANCE_HINT": "LATENCY"}
    if FLOATS in built.stored:
        chosen["DYNAMIC_QUANTIZATION_GROUP_SIZE"] = "0"
    return chosen | ({"INFERENCE_PRECISION_HINT": "f32"} if built.stored == "f32" else {})


class Causal:
    def __init__(self, built, threads):
        import openvino_genai as genai

        self.genai = genai
        self.vocabulary = built.vocabulary
        # Prompts are the same in each round: a cache of prefixes would answer them.
        plan = genai.SchedulerConfig()
        plan.enable_prefix_caching, plan.max_num_batched_tokens = False, 1 << 20
        self.pipeline = genai.LLMPipeline(built.path, "CPU", scheduler_config=plan,
                                          **settings(built, threads))

    def request(self, sequences, count, more):
        c = self.genai.GenerationConfig()
        c.max_new_tokens, c.ignore_eos, c.do_sample = more, True, False
        tokens = np.array([ids(count, self.vocabulary)] * sequences, np.int64)
        return self.genai.TokenizedInputs(openvino.Tensor(tokens),
                                          openvino.Tensor(np.ones_like(tokens))), c

    def generate(self, count, more):
        """Times at which tokens were there, seconds from the start."""
        inputs, c = self.request(1, count, more)
        running = self.genai.StreamingStatus.RUNNING
        times, start = [], clock()

        class Clock(self.genai.StreamerBase):
            def write(self, _):
                times.append(clock() - start)
                return running

            def end(self):
                pass

        self.pipeline.generate(inputs, c, Clock())
        if len(times) != more:
            raise Refused(f"made {len(times)} of {more} tokens")
        return times

    def prefill(self, n):
        return self.generate(n, 1)[0]

    def decode(self, context, n):
        times = self.generate(context, n + 1)
        return times[-1] - times[0]

    def together(self, sequences, context, n):
        """By the difference of a long and a short generation: batches are not streamed."""
        whole = []
        for more in (n + 1, 1):
            inputs, c = self.request(sequences, context, more)
            start = clock()
            self.pipeline.generate(inputs, c)
            whole.append(clock() - start)
        return whole[0] - whole[1]


class Encoder:
    def __init__(self, built, threads):
        self.vocabulary = built.vocabulary
        model = openvino.Core().compile_model(built.path, "CPU", settings(built, threads))
        self.request = model.create_infer_request()

    def encode(self, batch, length):
        tokens = np.array(ids(batch * length, self.vocabulary), np.int64).reshape(batch, length)
        start = clock()
        self.request.infer({"input_ids": tokens, "attention_mask": np.ones_like(tokens)})
        return clock() - start


class OpenvinoNet(Net):
    def __init__(self, built, threads):
        model = openvino.Core().compile_model(built.path, "CPU", settings(built, threads))
        request, x = model.create_infer_request(), {0: net_input(built)}
        self.run = lambda: request.infer(x, share_inputs=True)


def load(built, threads, context, sequences):
    return {"causal": Causal, "encoder": Encoder, "net": OpenvinoNet}[built.kind](built, threads)
