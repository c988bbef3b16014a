"""Pictures of one size."""
import numpy as np
from mlx_vlm.models.fastvlm.processing import FastVLMImageProcessor
from mlx_vlm.models.llava_bunny.llava_bunny import ImageProcessor as BunnyImageProcessor
from mlx_vlm.models.multi_modality.multi_modality import ImageProcessor as MultiModalityImageProcessor
from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil
from transformers.models.deepseek_vl.image_processing_pil_deepseek_vl import DeepseekVLImageProcessorPil
from transformers.models.gemma3.image_processing_pil_gemma3 import Gemma3ImageProcessorPil
from transformers.models.gemma3.processing_gemma3 import Gemma3Processor
from transformers.models.gemma3n.processing_gemma3n import Gemma3nProcessor
from transformers.models.janus.image_processing_pil_janus import JanusImageProcessorPil
from transformers.models.janus.processing_janus import JanusProcessor
from transformers.models.llava.image_processing_pil_llava import LlavaImageProcessorPil
from transformers.models.llava.processing_llava import LlavaProcessor
from transformers.models.paligemma.processing_paligemma import PaliGemmaProcessor
from transformers.models.siglip.image_processing_pil_siglip import SiglipImageProcessorPil

from .case import Case, settings, transformers_run
from .pictures import HUGE, LARGE

CLIP = {"image_mean": [0.48145466, 0.4578275, 0.40821073], "image_std": [0.26862954, 0.26130258, 0.27577711]}
HALF = {"image_mean": [0.5, 0.5, 0.5], "image_std": [0.5, 0.5, 0.5]}
LLAVA15 = {"patch_size": 14, "num_additional_image_tokens": 1, "vision_feature_select_strategy": "default"}
FULL = {"patch_size": 14, "vision_feature_select_strategy": "full"}
SOFT = "<image_soft_token>"


def llava_text(case, processor, out):
    p = case.processor
    return LlavaProcessor, {"image_token": "<image>", "num_additional_image_tokens": p.get("num_additional_image_tokens", 0),
                            "patch_size": p["patch_size"], "vision_feature_select_strategy": p.get("vision_feature_select_strategy")}


def gemma_text(owner):
    def text(case, processor, out):
        run = SOFT * case.processor.get("image_seq_length", 256)
        return owner, {"full_image_sequence": f"\n\n<start_of_image>{run}<end_of_image>\n\n"}
    return text


def paligemma_text(case, processor, out):
    return PaliGemmaProcessor, {"image_token": "<image>", "image_seq_length": case.image_processor["image_seq_length"]}


def janus_text(case, processor, out):
    return JanusProcessor, {"image_start_token": "<begin_of_image>", "image_token": "<image_placeholder>",
                            "image_end_token": "<end_of_image>", "num_image_tokens": case.processor.get("num_image_tokens", 576)}


def square(cls, replace, **overrides):
    return transformers_run(cls, ["pixel_values"], replace, **overrides)


def fastvlm(case, pictures):
    out = FastVLMImageProcessor(**settings(case)).preprocess(pictures)
    height, width = out["pixel_values"].shape[-2:]
    return {"pixel_values": out["pixel_values"]}, ["<image>" * ((height // 64) * (width // 64))] * len(pictures)


def bunny(case, pictures):
    return {"pixel_values": np.stack(BunnyImageProcessor().preprocess(pictures))}, ["<image>" * 729] * len(pictures)


def multi_modality(case, pictures):
    config = {"vision_config": {"params": {}, **case.config.get("vision_config", {})}}
    out = np.stack(MultiModalityImageProcessor(config).preprocess(pictures))
    count = case.processor.get("num_image_tokens", 576)
    return {"pixel_values": out.astype(np.float32)}, ["<image>" * count] * len(pictures)


def deepseek_vl(case, pictures):
    arrays, _ = square(DeepseekVLImageProcessorPil, None)(case, pictures)
    return arrays, ["<image_placeholder>" * case.processor.get("num_image_tokens", 576)] * len(pictures)


clip, siglip, llava = (square(cls, llava_text) for cls in (CLIPImageProcessorPil, SiglipImageProcessorPil, LlavaImageProcessorPil))
gemma3 = square(Gemma3ImageProcessorPil, gemma_text(Gemma3Processor), do_pan_and_scan=False, pan_and_scan_min_crop_size=256,
                pan_and_scan_max_num_crops=4, pan_and_scan_min_ratio_to_activate=1.2)
janus = square(JanusImageProcessorPil, janus_text)

CASES = [
    Case("llava 1.5, CLIP at 336", "llava", clip,
         {**CLIP, "image_processor_type": "CLIPImageProcessor", "size": {"shortest_edge": 336}, "crop_size": {"height": 336, "width": 336},
          "resample": 3}, LLAVA15, sizes=LARGE + HUGE),
    Case("llava, CLIP small, bare numbers", "llava", clip,
         {"image_processor_type": "CLIPImageProcessorFast", "size": 42, "crop_size": 56, "resample": 1}, LLAVA15),
    Case("llava, CLIP not resized", "llava", clip,
         {"image_processor_type": "CLIPImageProcessor", "do_resize": False, "crop_size": {"height": 43, "width": 70}}, LLAVA15),
    Case("llava, SigLIP at 384", "llava", siglip,
         {**HALF, "image_processor_type": "SiglipImageProcessor", "size": {"height": 384, "width": 384}}, FULL, sizes=LARGE),
    Case("llava, SigLIP small, not square, no normalisation", "llava", siglip,
         {"image_processor_type": "SiglipImageProcessor", "size": {"height": 70, "width": 56}, "do_normalize": False}, FULL),
    Case("llava, own processor, padded", "llava", llava,
         {"image_processor_type": "LlavaImageProcessor", "do_pad": True, "size": {"shortest_edge": 70},
          "crop_size": {"height": 70, "width": 70}}, LLAVA15),
    Case("llava, own processor, defaults", "llava", llava, {"image_processor_type": "LlavaImageProcessor", "rescale_factor": 0.01},
         LLAVA15, sizes=LARGE),
    Case("gemma3, class defaults", "gemma3", gemma3, sizes=LARGE, token=SOFT),
    Case("gemma3, at 896", "gemma3", gemma3,
         {**HALF, "image_processor_type": "Gemma3ImageProcessor", "size": {"height": 896, "width": 896}, "resample": 2,
          "do_pan_and_scan": True}, {"image_seq_length": 256}, sizes=LARGE[2:6], token=SOFT),
    Case("gemma3, small, bare number", "gemma3", gemma3, {"size": 56, "image_std": [0.25, 0.5, 1.0]}, {"image_seq_length": 16}, token=SOFT),
    Case("gemma3n", "gemma3n", square(SiglipImageProcessorPil, gemma_text(Gemma3nProcessor)),
         {"size": {"height": 96, "width": 96}, "resample": 2, "do_normalize": False}, token=SOFT),
    Case("paligemma", "paligemma", square(SiglipImageProcessorPil, paligemma_text),
         {**HALF, "image_processor_type": "SiglipImageProcessor", "size": {"height": 224, "width": 224}, "image_seq_length": 256},
         sizes=LARGE),
    Case("paligemma, small", "paligemma", square(SiglipImageProcessorPil, paligemma_text),
         {"size": {"height": 42, "width": 42}, "image_seq_length": 9, "do_rescale": False}),
    Case("fastvlm, class defaults", "fastvlm", fastvlm, sizes=LARGE[2:6]),
    Case("fastvlm, small", "llava_qwen2", fastvlm,
         {"image_processor_type": "CLIPImageProcessor", "size": {"shortest_edge": 128}, "crop_size": {"height": 128, "width": 128},
          "image_mean": [0.1, 0.2, 0.3], "image_std": [0.5, 0.6, 0.7]}),
    Case("fastvlm, cropped", "fastvlm", fastvlm, {"size": {"shortest_edge": 131}, "crop_size": {"height": 64, "width": 128}}),
    Case("bunny", "llava_bunny", bunny, sizes=LARGE[1:]),  # it takes one pixel for a picture of unknown layout
    Case("janus, class defaults", "janus", janus, sizes=LARGE, token="<image_placeholder>"),
    Case("janus, small", "janus", janus, {**HALF, "size": {"height": 48, "width": 48}, "min_size": 5, "resample": 2}, {"num_image_tokens": 9},
         token="<image_placeholder>"),
    Case("deepseek_vl", "deepseek_vl", deepseek_vl, {"size": {"height": 50, "width": 50}}),
    Case("multi_modality", "multi_modality", multi_modality, sizes=LARGE),
    Case("multi_modality, high resolution", "multi_modality", multi_modality,
         config={"vision_config": {"params": {"high_res_cfg": {"image_size": 70, "pixel_mean": [0.48145466, 0.4578275, 0.40821073],
                                                                "pixel_std": [0.26862954, 0.26130258, 0.27577711]}}}}),
]
