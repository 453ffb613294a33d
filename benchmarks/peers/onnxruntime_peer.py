"""ONNX Runtime: generation through onnxruntime-genai, encoders through the runtime itself."""
import os
import sys

import numpy as np
import onnxruntime

from . import Built, Net, clock, ids, net_input
from .huggingface import export_encoder, run_exporter, with_tokenizer
from .safetensors import Checkpoint

WEIGHTS = {"causal": {"f32": "f32", "q8": "int8, blocks of 32", "q4": "int4, blocks of 32"},
           "encoder": {"f32": "f32", "q8": "int8 by quantize_dynamic"}, "net": {"f32": "f32"}}
REFUSALS = {"bf16": "has no bf16 on x86 CPUs"}
PRECISION = {"f32": "fp32", "q8": "int8", "q4": "int4"}
BITS = {"f32": 32, "q8": 9, "q4": 5}  # with f32 scales for blocks of 32


def version():
    try:
        from onnxruntime_genai import __version__ as genai
    except ImportError:
        genai = "none"
    return f"onnxruntime {onnxruntime.__version__}, genai {genai}"


def convert(source, kind, weights, folder):
    if kind == "net":
        return Built(os.path.join(source, "net.onnx"), kind, "f32", 0, 0, source=source)
    make = {"causal": convert_causal, "encoder": convert_encoder}[kind]
    path = os.path.join(folder, f"onnxruntime-{weights}" + (".onnx" if kind == "encoder" else ""))
    if not os.path.exists(path):
        make(source, weights, path + ".new", folder)
        os.rename(path + ".new", path)
    model = Checkpoint(source)
    return Built(path, kind, WEIGHTS[kind][weights],
                 model.matrix_elements() * BITS[weights] // 8, model.config["vocab_size"],
                 model.products())


def convert_causal(source, weights, path, folder):
    command = [sys.executable, "-m", "onnxruntime_genai.models.builder", "-i",
               with_tokenizer(source, folder), "-o", path, "-p", PRECISION[weights], "-e", "cpu",
               "-c", os.path.join(folder, "builder")]
    run_exporter("the model builder", command)


def convert_encoder(source, weights, path, folder):
    plain = os.path.join(folder, "encoder.onnx")
    if not os.path.exists(plain):
        export_encoder(source, plain)
    if weights == "f32":
        os.symlink(plain, path)
        return
    from onnxruntime.quantization import QuantType, quantize_dynamic

    quantize_dynamic(plain, path, weight_type=QuantType.QInt8, per_channel=True)


class Causal:
    def __init__(self, built, threads):
        import onnxruntime_genai as genai

        self.genai = genai
        config = genai.Config(built.path)
        config.clear_providers()
        config.overlay('{"model":{"decoder":{"session_options":{"intra_op_num_threads":%d}}}}' % threads)
        self.model = genai.Model(config)
        self.vocabulary = built.vocabulary

    def begin(self, count, more, sequences=1):
        p = self.genai.GeneratorParams(self.model)
        p.set_search_options(max_length=count + more + 2, min_length=count + more + 2,
                             do_sample=False, batch_size=sequences)
        generator = self.genai.Generator(self.model, p)
        start = clock()
        generator.append_tokens(np.array([ids(count, self.vocabulary)] * sequences, np.int32))
        generator.generate_next_token()
        return generator, clock() - start

    def prefill(self, n):
        return self.begin(n, 1)[1]

    def decode(self, context, n):
        return self.together(1, context, n)

    def together(self, sequences, context, n):
        generator, _ = self.begin(context, n, sequences)
        start = clock()
        for _ in range(n):
            generator.generate_next_token()
        return clock() - start


def session(built, threads):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    return onnxruntime.InferenceSession(built.path, options, providers=["CPUExecutionProvider"])


class Encoder:
    def __init__(self, built, threads):
        self.vocabulary = built.vocabulary
        self.session = session(built, threads)

    def encode(self, batch, length):
        tokens = np.array(ids(batch * length, self.vocabulary), np.int64).reshape(batch, length)
        start = clock()
        self.session.run(None, {"input_ids": tokens, "attention_mask": np.ones_like(tokens)})
        return clock() - start


class OnnxNet(Net):
    def __init__(self, built, threads):
        net, x = session(built, threads), {"x": net_input(built)}
        self.run = lambda: net.run(None, x)


def load(built, threads, context, sequences):
    return {"causal": Causal, "encoder": Encoder, "net": OnnxNet}[built.kind](built, threads)
