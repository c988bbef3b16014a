"""Pictures as patches at their own aspect ratio."""
import numpy as np
from mlx_vlm.models.kimi_vl.processing_kimi_vl import KimiVLImageProcessor
from transformers.models.gemma4.image_processing_pil_gemma4 import Gemma4ImageProcessorPil
from transformers.models.gemma4.processing_gemma4 import Gemma4Processor
from transformers.models.glm46v.image_processing_pil_glm46v import Glm46VImageProcessorPil
from transformers.models.glm4v.image_processing_pil_glm4v import Glm4vImageProcessorPil
from transformers.models.glm4v.processing_glm4v import Glm4vProcessor
from transformers.models.hunyuan_vl.image_processing_pil_hunyuan_vl import HunYuanVLImageProcessorPil
from transformers.models.hunyuan_vl.processing_hunyuan_vl import HunYuanVLProcessor
from transformers.models.paddleocr_vl.image_processing_pil_paddleocr_vl import PaddleOCRVLImageProcessorPil
from transformers.models.paddleocr_vl.processing_paddleocr_vl import PaddleOCRVLProcessor
from transformers.models.pixtral.image_processing_pil_pixtral import PixtralImageProcessorPil
from transformers.models.pixtral.processing_pixtral import PixtralProcessor
from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import Qwen2VLImageProcessorPil
from transformers.models.qwen3_vl.processing_qwen3_vl import Qwen3VLProcessor
from transformers.models.siglip2.image_processing_pil_siglip2 import Siglip2ImageProcessorPil

from .case import Case, settings, transformers_run
from .pictures import LARGE
from .square import CLIP, HALF

HUNYUAN = "<｜hy_place▁holder▁no▁102｜>"


def text(owner, **attributes):
    return lambda case, processor, out: (owner, attributes)


def grid_patches(cls, owner, token, **attributes):
    return transformers_run(cls, ["pixel_values", "image_grid_thw"], text(owner, image_token=token, **attributes))


def merged_patch(case):
    return case.processor.get("patch_size", 16) * case.processor.get("spatial_merge_size", 1)


def pixtral_text(case, processor, out):
    return PixtralProcessor, {"patch_size": case.processor.get("patch_size", 16), "image_token": "[IMG]", "image_break_token": "[IMG_BREAK]",
                              "spatial_merge_size": case.processor.get("spatial_merge_size", 1), "image_end_token": "[IMG_END]"}


def kimi(case, pictures):
    processor = KimiVLImageProcessor(**settings(case))
    out = processor(pictures)
    if any(h * w == 0 for h, w in out["_grid_shapes"]):
        raise ValueError("no patches, which no model can take")
    merge = int(np.prod(processor.merge_kernel_size))
    return ({k: np.array(out[k]) for k in ("pixel_values", "image_grid_hws")},
            ["<|media_pad|>" * (h * w // merge) for h, w in out["_grid_shapes"]])


qwen = grid_patches(Qwen2VLImageProcessorPil, Qwen3VLProcessor, "<|image_pad|>")
dots = grid_patches(Qwen2VLImageProcessorPil, Qwen3VLProcessor, "<|imgpad|>")
glm = grid_patches(Glm4vImageProcessorPil, Glm4vProcessor, "<|image|>")
paddle = grid_patches(PaddleOCRVLImageProcessorPil, PaddleOCRVLProcessor, "<|IMAGE_PLACEHOLDER|>")
hunyuan = grid_patches(HunYuanVLImageProcessorPil, HunYuanVLProcessor, HUNYUAN, cat_extra_token=True)
pixtral = transformers_run(PixtralImageProcessorPil, ["pixel_values", "image_sizes"], pixtral_text, patch_size=merged_patch)
naflex = transformers_run(Siglip2ImageProcessorPil, ["pixel_values", "pixel_attention_mask", "spatial_shapes"])
gemma4 = transformers_run(Gemma4ImageProcessorPil, ["pixel_values", "image_position_ids", "num_soft_tokens_per_image"],
                          text(Gemma4Processor, boi_token="<|image>", image_token="<|image|>", eoi_token="<image|>"))

CASES = [
    Case("qwen2_vl, class defaults", "qwen2_vl", qwen, sizes=LARGE),
    Case("qwen2_vl, min_pixels and max_pixels", "qwen2_vl", qwen,
         {**CLIP, "min_pixels": 3136, "max_pixels": 50176, "image_processor_type": "Qwen2VLImageProcessor"}),
    Case("qwen2_5_vl, size edges, other patches, bilinear", "qwen2_5_vl", qwen,
         {**HALF, "size": {"shortest_edge": 4096, "longest_edge": 65536}, "patch_size": 16, "merge_size": 2, "temporal_patch_size": 1,
          "resample": 2}),
    Case("qwen3_vl", "qwen3_vl", qwen,
         {**HALF, "size": {"shortest_edge": 65536, "longest_edge": 262144}, "patch_size": 16, "image_processor_type": "Qwen2VLImageProcessorFast"},
         sizes=LARGE),
    Case("qwen3_5, merge 3", "qwen3_5", qwen, {**HALF, "size": {"shortest_edge": 2048, "longest_edge": 40000}, "patch_size": 8, "merge_size": 3}),
    Case("dots_ocr", "dots_ocr", dots, {**CLIP, "min_pixels": 3136, "max_pixels": 60000, "temporal_patch_size": 1}, sizes=LARGE),
    Case("glm4v, class defaults", "glm4v", glm, sizes=LARGE[:8]),
    Case("glm4v, small", "glm4v", glm, {"size": {"shortest_edge": 6000, "longest_edge": 90000}, "max_pixels": 1}),
    Case("glm4v_moe, small, one frame", "glm4v_moe", glm,
         {**HALF, "size": {"shortest_edge": 6000, "longest_edge": 90000}, "temporal_patch_size": 1, "patch_size": 12}),
    Case("glm46v", "glm46v", grid_patches(Glm46VImageProcessorPil, Glm4vProcessor, "<|image|>"),
         {"size": {"shortest_edge": 12544, "longest_edge": 200000}}, sizes=LARGE),
    Case("paddleocr_vl, class defaults", "paddleocr_vl", paddle, sizes=LARGE[:8]),
    Case("paddleocr_vl, small", "paddleocr_vl", paddle, {**HALF, "min_pixels": 3136, "max_pixels": 50176}),
    Case("hunyuan_vl, class defaults", "hunyuan_vl", hunyuan, {"resample": 1}, sizes=LARGE[:6]),
    Case("hunyuan_vl, small", "hunyuan_vl", hunyuan, {"size": {"shortest_edge": 4096, "longest_edge": 50176}, "resample": 1}),
    Case("hunyuan_vl, no tokens around", "hunyuan_vl", grid_patches(HunYuanVLImageProcessorPil, HunYuanVLProcessor, HUNYUAN, cat_extra_token=False),
         {"min_pixels": 4096, "max_pixels": 50176}, {"cat_extra_token": False}, sizes=LARGE),
    Case("pixtral, class defaults", "pixtral", pixtral, sizes=LARGE),
    Case("pixtral, small", "pixtral", pixtral, {"size": {"longest_edge": 100}, "image_processor_type": "PixtralImageProcessor"}),
    Case("mistral3, small", "mistral3", pixtral, {"size": {"longest_edge": 140}, "patch_size": 14},
         {"patch_size": 14, "spatial_merge_size": 2}),
    Case("pixtral, height and width", "pixtral", pixtral, {**HALF, "size": {"height": 90, "width": 130}, "patch_size": {"height": 8, "width": 8}},
         {"patch_size": 8}),
    Case("pixtral, not resized", "pixtral", pixtral, {"do_resize": False}, {"patch_size": 14}, sizes=LARGE[1:5]),
    Case("kimi_vl, class defaults", "kimi_vl", kimi, sizes=LARGE[:7]),
    Case("kimi_vl, small, padded", "kimi_vl", kimi, {**HALF, "in_token_limit": 60, "pad_input": True}),
    Case("kimi_vl, small, cropped", "kimi_vl", kimi, {"in_token_limit": 60, "merge_kernel_size": [1, 2], "patch_size": 10}),
    Case("siglip2, class defaults", "siglip2", naflex, sizes=LARGE),
    Case("siglip2, small", "siglip2", naflex, {**CLIP, "patch_size": 14, "max_num_patches": 30, "resample": 3}),
    Case("gemma4, class defaults", "gemma4", gemma4, sizes=LARGE, token="<|image|>"),
    Case("gemma4, 70 tokens", "gemma4", gemma4, {"max_soft_tokens": 70, "patch_size": 8, "image_processor_type": "Gemma4ImageProcessor"},
         token="<|image|>"),
    Case("gemma4, normalised, pool of 2", "gemma4", gemma4,
         {**HALF, "max_soft_tokens": 70, "patch_size": 7, "pooling_kernel_size": 2, "do_normalize": True, "resample": 2}, token="<|image|>"),
]
