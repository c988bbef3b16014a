"""Pictures cut into tiles."""
from types import SimpleNamespace

import numpy as np
from mlx_vlm.models.deepseek_vl_v2.processing_deepsek_vl_v2 import DeepseekVLV2Processor, ImageTransform
from mlx_vlm.models.internvl_chat.processor import InternVLImageProcessor
from mlx_vlm.models.lfm2_vl.processing_lfm2_vl import Lfm2VlNumpyImageProcessor
from mlx_vlm.models.phi3_v.processing_phi3_v import Phi3VImageProcessor
from transformers.models.aya_vision.processing_aya_vision import AyaVisionProcessor
from transformers.models.cohere2_vision.image_processing_cohere2_vision import Cohere2VisionImageProcessor
from transformers.models.cohere2_vision.processing_cohere2_vision import Cohere2VisionProcessor
from transformers.models.got_ocr2.image_processing_pil_got_ocr2 import GotOcr2ImageProcessorPil
from transformers.models.got_ocr2.processing_got_ocr2 import GotOcr2Processor
from transformers.models.idefics2.image_processing_pil_idefics2 import Idefics2ImageProcessorPil
from transformers.models.idefics2.processing_idefics2 import Idefics2Processor
from transformers.models.idefics3.image_processing_pil_idefics3 import Idefics3ImageProcessorPil
from transformers.models.idefics3.processing_idefics3 import Idefics3Processor
from transformers.models.internvl.processing_internvl import InternVLProcessor
from transformers.models.lfm2_vl.processing_lfm2_vl import Lfm2VlProcessor
from transformers.models.llava_next.image_processing_pil_llava_next import LlavaNextImageProcessorPil
from transformers.models.llava_next.processing_llava_next import LlavaNextProcessor
from transformers.models.llava_onevision.image_processing_pil_llava_onevision import LlavaOnevisionImageProcessorPil
from transformers.models.llava_onevision.processing_llava_onevision import LlavaOnevisionProcessor
from transformers.models.mllama.image_processing_pil_mllama import MllamaImageProcessorPil
from transformers.models.mllama.processing_mllama import MllamaProcessor
from transformers.models.smolvlm.image_processing_pil_smolvlm import SmolVLMImageProcessorPil
from transformers.models.smolvlm.processing_smolvlm import SmolVLMProcessor

from .case import Case, settings, transformers_run
from .pictures import HUGE, LARGE, SMALL
from .square import CLIP, HALF, LLAVA15

CONTEXT, PATCH = "<IMG_CONTEXT>", "<|IMG_PATCH|>"


class Bound(SimpleNamespace):
    """A stand-in for a processor that has its class's own methods as well."""

    def __init__(self, owner, **attributes):
        super().__init__(_owner=owner, **attributes)

    def __getattr__(self, name):
        return getattr(self._owner, name).__get__(self)


def bound(owner, processor, case, out, **attributes):
    return SimpleNamespace(replace_image_token=lambda _, image_inputs, i, **k: owner.replace_image_token(
        Bound(owner, image_processor=processor, **attributes), image_inputs, i, **k)), {}


def llava_next_text(case, processor, out):
    p = case.processor
    return bound(LlavaNextProcessor, processor, case, out, image_token="<image>", patch_size=p["patch_size"],
                 num_additional_image_tokens=p.get("num_additional_image_tokens", 0),
                 vision_feature_select_strategy=p.get("vision_feature_select_strategy"))


def onevision_text(case, processor, out):
    p = case.processor
    return bound(LlavaOnevisionProcessor, processor, case, out, image_token="<image>", num_image_tokens=p["num_image_tokens"],
                 vision_feature_select_strategy=p.get("vision_feature_select_strategy"),
                 vision_aspect_ratio=p.get("vision_aspect_ratio", "anyres_max_9"))


def internvl_text(case, processor, out):
    return InternVLProcessor, {"start_image_token": "<img>", "image_token": CONTEXT, "end_image_token": "</img>",
                               "image_seq_length": case.processor.get("image_seq_length", 256)}


def aya_text(case, processor, out):
    p = case.processor
    return AyaVisionProcessor, {"img_size": p.get("img_size", 364), "patch_size": p.get("patch_size", 28) * p.get("downsample_factor", 1),
                                "start_of_img_token": "<|START_OF_IMG|>", "end_of_img_token": "<|END_OF_IMG|>", "img_patch_token": PATCH,
                                "tile_token": "TILE", "tile_global_token": "TILE_GLOBAL"}


def got_text(case, processor, out):
    count = len(out["num_patches"])
    return GotOcr2Processor, {"image_token": "<imgpad>"}, {
        "num_pages_per_batch": [1] * count, "patch_indices": np.cumsum([1] * count), "num_image_tokens": GotOcr2Processor.num_image_tokens}


def cohere_text(case, processor, out):
    return Cohere2VisionProcessor, {"image_token": PATCH, "patch_size": processor.patch_size, "boi_token": "<|START_OF_IMG|>",
                                    "eoi_token": "<|END_OF_IMG|>", "img_line_break_token": "<|IMG_LINE_BREAK|>"}


def idefics_text(owner):
    def text(case, processor, out):
        return owner, {"image_token": "<image>", "fake_image_token": "<fake_token_around_image>", "global_image_tag": "<global-img>",
                       "global_image_token": "<global-img>", "image_seq_len": case.processor.get("image_seq_len", 169)}
    return text


def idefics(cls, owner, mask=True):
    names = ["pixel_values", "pixel_attention_mask"] if mask else ["pixel_values"]
    return transformers_run(cls, names, idefics_text(owner), nested=True, return_row_col_info=True)


def idefics2(case, pictures):
    if case.image_processor.get("do_image_splitting") and min(min(p.size) for p in pictures) < 2:
        raise ValueError("a quarter would be empty; Pillow makes black of it")
    arrays, _ = transformers_run(Idefics2ImageProcessorPil, ["pixel_values", "pixel_attention_mask"], nested=True)(case, pictures)
    prompts = []
    me = SimpleNamespace(fake_image_token="<fake_token_around_image>", image_token="<image>",
                         image_seq_len=case.processor.get("image_seq_len", 64),
                         image_processor=Idefics2ImageProcessorPil(**settings(case)),
                         _merge_kwargs=lambda **_: {"text_kwargs": {}, "images_kwargs": {}},
                         _check_special_mm_tokens=lambda *_, **__: None,
                         tokenizer=SimpleNamespace(init_kwargs={}))
    me.tokenizer = type("Tokenizer", (), {"init_kwargs": {}, "__call__": lambda self, texts, **_: prompts.extend(texts) or {}})()
    for _ in pictures:
        Idefics2Processor.__call__(me, text=["<image>"])
    return arrays, prompts


def mllama_text(case, processor, out):
    return MllamaProcessor, {"image_token": "<|image|>"}


def internvl_chat(case, pictures):
    c, v = case.config, case.config.get("vision_config", {})
    size = c.get("force_image_size", v.get("image_size", 448))
    out = InternVLImageProcessor(size=size, dynamic_max_num=c.get("max_dynamic_patch", 12), dynamic_min_num=c.get("min_dynamic_patch", 1),
                                 dynamic_use_thumbnail=c.get("use_thumbnail", True)).preprocess(pictures)
    tokens = int((size // v.get("patch_size", 14)) ** 2 * (c.get("downsample_ratio", 0.5) ** 2))
    return {"pixel_values": out["pixel_values"]}, ["<img>" + CONTEXT * tokens * n + "</img>" for n in out["num_patches_list"]]


def phi3(case, pictures):
    processor = Phi3VImageProcessor(**settings(case))
    out = processor(pictures)
    return ({k: np.array(out[k]) for k in ("pixel_values", "image_sizes")},
            ["<|image|>" * processor.calc_num_image_tokens(p) for p in pictures])


def deepseek_vl2(case, pictures):
    p = case.processor
    me = DeepseekVLV2Processor.__new__(DeepseekVLV2Processor)
    me.candidate_resolutions = [tuple(r) for r in p["candidate_resolutions"]]
    me.image_size, me.patch_size, me.downsample_ratio = me.candidate_resolutions[0][0], p["patch_size"], p["downsample_ratio"]
    half = (0.5, 0.5, 0.5)
    me.image_transform = ImageTransform(tuple(p.get("image_mean", half)), tuple(p.get("image_std", half)), p.get("normalize", True))
    me.image_token, me.image_token_id = "<image>", 1
    me.tokenizer = SimpleNamespace(encode=lambda *_, **__: [])
    _, images, _, crops, tokens = me.tokenize_with_images("<image>" * len(pictures), pictures, bos=False, eos=False,
                                                          cropping=len(pictures) <= 2)
    return ({"images": np.stack([np.array(i) for i in images])[None], "images_spatial_crop": np.array(crops)[None]},
            ["<image>" * n for n in tokens])


def lfm2(case, pictures):
    # What mlx-vlm puts in the place of the file's settings.
    own = {"do_image_splitting": True, "min_tiles": 2, "max_tiles": 10, "use_thumbnail": True}
    processor = Lfm2VlNumpyImageProcessor(**{**settings(case), **own})
    out = processor(pictures)
    if any(rows * cols > processor.max_num_patches for rows, cols in out["spatial_shapes"]):
        raise ValueError("patches are cut off, which the tokens do not follow")
    me = Bound(Lfm2VlProcessor, image_processor=processor, image_token="<image>", image_start_token="<|image_start|>",
               image_end_token="<|image_end|>", image_thumbnail_token="<|img_thumbnail|>")
    special = case.processor.get("use_image_special_tokens", True)
    texts = [me.replace_image_token(out, i, use_image_special_tokens=special) for i in range(len(pictures))]
    return {k: out[k] for k in ("pixel_values", "pixel_attention_mask", "spatial_shapes")}, texts


def onevision(case, pictures):
    # A prompt's pictures are one list for the reference.
    return transformers_run(LlavaOnevisionImageProcessorPil, ["pixel_values", "image_sizes", "batch_num_images"], onevision_text, nested=True)(case, pictures)


llava_next = transformers_run(LlavaNextImageProcessorPil, ["pixel_values", "image_sizes"], llava_next_text, do_pad=True)
internvl = transformers_run(GotOcr2ImageProcessorPil, ["pixel_values"], internvl_text, crop_to_patches=True)
aya = transformers_run(GotOcr2ImageProcessorPil, ["pixel_values"], aya_text, crop_to_patches=True)
got = transformers_run(GotOcr2ImageProcessorPil, ["pixel_values"], got_text, crop_to_patches=False, min_patches=1, max_patches=12)
cohere2 = transformers_run(Cohere2VisionImageProcessor, ["pixel_values"], cohere_text, return_tensors="pt")
mllama = transformers_run(MllamaImageProcessorPil, ["pixel_values", "aspect_ratio_ids", "aspect_ratio_mask", "num_tiles"], mllama_text,
                          nested=True)
PINPOINTS = [[56, 112], [112, 56], [112, 112], [168, 56], [56, 168]]
NEXT_SMALL = {"size": {"shortest_edge": 56}, "crop_size": {"height": 56, "width": 56}, "image_grid_pinpoints": PINPOINTS}
OV = {"num_image_tokens": 729, "vision_feature_select_strategy": "full"}
DSV2 = [[384, 384], [384, 768], [768, 384], [384, 1152], [1152, 384], [768, 768]]

CASES = [
    Case("idefics3, class defaults", "idefics3", idefics(Idefics3ImageProcessorPil, Idefics3Processor), sizes=LARGE),
    Case("idefics3, small", "idefics3", idefics(Idefics3ImageProcessorPil, Idefics3Processor),
         {**HALF, "size": {"longest_edge": 4 * 42}, "max_image_size": {"longest_edge": 42}, "resample": 1}, {"image_seq_len": 9}),
    Case("idefics3, not split", "idefics3", idefics(Idefics3ImageProcessorPil, Idefics3Processor),
         {"size": {"longest_edge": 200}, "max_image_size": {"longest_edge": 56}, "do_image_splitting": False}, sizes=LARGE),
    Case("smolvlm, 512 tiles", "smolvlm", idefics(SmolVLMImageProcessorPil, SmolVLMProcessor),
         {"size": {"longest_edge": 2048}, "max_image_size": {"longest_edge": 512}}, {"image_seq_len": 64}, sizes=LARGE[:6]),
    Case("smolvlm, small, beyond 4096, no mask", "smolvlm", idefics(SmolVLMImageProcessorPil, SmolVLMProcessor, mask=False),
         {"size": {"longest_edge": 4200}, "max_image_size": {"longest_edge": 1024}, "do_pad": False}, {"image_seq_len": 4},
         sizes=[(4, 1), (50, 1500)]),
    Case("smolvlm, small", "smolvlm", idefics(SmolVLMImageProcessorPil, SmolVLMProcessor),
         {"size": {"longest_edge": 140}, "max_image_size": {"longest_edge": 56}}, {"image_seq_len": 4}),
    Case("smolvlm, size as height and width", "smolvlm", idefics(SmolVLMImageProcessorPil, SmolVLMProcessor),
         {"size": {"height": 100, "width": 60}, "max_image_size": {"longest_edge": 56}}, {"image_seq_len": 4}, sizes=LARGE),
    Case("llava_next, class resolutions at 336", "llava_next", llava_next,
         {**CLIP, "size": {"shortest_edge": 336}, "crop_size": {"height": 336, "width": 336}}, LLAVA15, sizes=LARGE + HUGE),
    Case("llava_next, small", "llava_next", llava_next, NEXT_SMALL, LLAVA15),
    Case("llava_next, small, full, parts of tiles, no additional row", "llava_next", llava_next,
         {**NEXT_SMALL, **HALF, "image_grid_pinpoints": [[60, 100], [130, 70], [57, 57]], "resample": 2},
         {"patch_size": 14, "vision_feature_select_strategy": "full"}),
    Case("llava_next, not resized", "llava_next", llava_next, {**NEXT_SMALL, "do_resize": False}, LLAVA15),
    Case("llava_next, rectangle", "llava_next", llava_next,
         {**NEXT_SMALL, "size": {"height": 56, "width": 70}, "do_center_crop": False, "do_pad": False, "image_grid_pinpoints": [[70, 140], [112, 70]]},
         LLAVA15),
    Case("llava_onevision, class defaults", "llava_onevision", onevision, HALF, OV, sizes=LARGE[:8]),
    Case("llava_onevision, small", "llava_onevision", onevision,
         {**HALF, "size": {"height": 56, "width": 56},
          "image_grid_pinpoints": [[56 * r, 56 * c] for r in range(1, 7) for c in range(1, 7)]},
         {"num_image_tokens": 16, "vision_feature_select_strategy": "full", "vision_aspect_ratio": "anyres_max_4"}),
    Case("llava_onevision, class mean, default strategy", "llava_onevision", onevision,
         {"size": {"height": 42, "width": 42}, "image_grid_pinpoints": [[42, 84], [84, 42], [84, 84], [126, 168]]},
         {"num_image_tokens": 9, "vision_feature_select_strategy": "default"}),
    Case("internvl, at 448", "internvl", internvl,
         {"size": {"height": 448, "width": 448}, "image_mean": [0.485, 0.456, 0.406], "image_std": [0.229, 0.224, 0.225],
          "max_patches": 12, "crop_to_patches": False}, sizes=LARGE[:8], token=CONTEXT),
    Case("internvl, small", "internvl", internvl, {"size": {"height": 56, "width": 56}}, {"image_seq_length": 4}, token=CONTEXT),
    Case("internvl, small, 4 to 6, not square", "internvl", internvl,
         {"size": {"height": 42, "width": 56}, "min_patches": 4, "max_patches": 6, "resample": 2, "do_resize": False},
         {"image_seq_length": 4}, token=CONTEXT),
    Case("internvl, one tile", "internvl", internvl, {"size": {"height": 42, "width": 56}, "max_patches": 1}, {"image_seq_length": 4},
         sizes=LARGE, token=CONTEXT),
    Case("internvl_chat, at 448", "internvl_chat", internvl_chat, config={"force_image_size": 448}, sizes=LARGE[:6], token=CONTEXT),
    Case("internvl_chat, small", "internvl_chat", internvl_chat,
         config={"force_image_size": 56, "max_dynamic_patch": 6, "vision_config": {"patch_size": 14}}, token=CONTEXT),
    Case("internvl_chat, small, 2 to 4, no overview", "internvl_chat", internvl_chat,
         config={"vision_config": {"patch_size": 14, "image_size": 42}, "min_dynamic_patch": 2, "max_dynamic_patch": 4, "use_thumbnail": False,
                 "downsample_ratio": 0.34}, token=CONTEXT),
    Case("aya_vision, class defaults", "aya_vision", aya, {"size": {"height": 364, "width": 364}}, sizes=LARGE[:8], token=PATCH),
    Case("aya_vision, small", "aya_vision", aya, {**HALF, "size": {"height": 56, "width": 56}, "max_patches": 9},
         {"img_size": 56, "patch_size": 14, "downsample_factor": 2}, token=PATCH),
    Case("got_ocr2", "got_ocr2", got, {"size": {"height": 96, "width": 96}, "crop_to_patches": True}, token="<imgpad>"),
    Case("cohere2_vision, class defaults", "cohere2_vision", cohere2, sizes=LARGE[2:6], token=PATCH),
    Case("cohere2_vision, small", "cohere2_vision", cohere2,
         {**HALF, "size": {"height": 56, "width": 56}, "max_patches": 12, "patch_size": 4}, token=PATCH),
    Case("cohere2_vision, small, bilinear, no normalisation", "cohere2_vision", cohere2,
         {"size": {"height": 42, "width": 42}, "max_patches": 5, "resample": 2, "do_normalize": False}, token=PATCH),
    Case("cohere2_vision, one tile", "cohere2_vision", cohere2, {"size": {"height": 42, "width": 42}, "crop_to_patches": False},
         sizes=LARGE, token=PATCH),
    Case("idefics2, class defaults", "idefics2", idefics2, sizes=LARGE),
    Case("idefics2, small", "idefics2", idefics2, {"size": {"shortest_edge": 30, "longest_edge": 98}}, {"image_seq_len": 4}),
    Case("idefics2, small, split", "idefics2", idefics2,
         {**CLIP, "size": {"shortest_edge": 20, "longest_edge": 70}, "do_image_splitting": True}, {"image_seq_len": 4}),
    Case("idefics2, not resized", "idefics2", idefics2, {"do_resize": False}, {"image_seq_len": 4}, sizes=LARGE[:5]),
    Case("mllama, class defaults", "mllama", mllama, sizes=LARGE + HUGE, token="<|image|>"),
    Case("mllama, small", "mllama", mllama, {**CLIP, "size": {"height": 56, "width": 56}, "max_image_tiles": 4}),
    Case("mllama, small, 6 tiles", "mllama", mllama, {"size": {"height": 42, "width": 42}, "max_image_tiles": 6, "resample": 3}),
    Case("phi3_v, 4 crops", "phi3_v", phi3, sizes=LARGE[:8]),
    Case("phi3_v, 1 crop", "phi3_v", phi3, {"num_crops": 1, "num_img_tokens": 9, "image_mean": [0.4, 0.5, 0.6]},
         sizes=SMALL + [(1, 336), (1, 337), (340, 1)]),
    Case("phi3_v, 16 crops", "phi3_v", phi3, {"num_crops": 16}, sizes=[(100, 100), (300, 10), (640, 480), (200, 150)]),
    Case("deepseek_vl_v2", "deepseek_vl_v2", deepseek_vl2, processor={"candidate_resolutions": DSV2, "patch_size": 14, "downsample_ratio": 2},
         sizes=LARGE[2:8]),
    Case("deepseek_vl_v2, small", "deepseek_vl_v2", deepseek_vl2,
         processor={"candidate_resolutions": [[w // 8, h // 8] for w, h in DSV2], "patch_size": 16, "downsample_ratio": 2,
                    "image_mean": [0.2, 0.4, 0.6], "image_std": [0.3, 0.5, 0.7]}),
    Case("deepseek_vl_v2, small, two pictures, no normalisation", "deepseek_vl_v2", deepseek_vl2,
         processor={"candidate_resolutions": [[w // 12, h // 12] for w, h in DSV2], "patch_size": 16, "downsample_ratio": 1, "normalize": False},
         several=((100, 60), (33, 80))),
    Case("lfm2_vl, class defaults", "lfm2_vl", lfm2, sizes=LARGE[:5] + LARGE[7:8]),
    Case("lfm2_vl, small", "lfm2_vl", lfm2,
         {"tile_size": 64, "max_image_tokens": 16, "min_image_tokens": 4, "resample": 2, "do_resize": False, "do_image_splitting": False,
          "max_num_patches": 7}),
    Case("lfm2_vl, small, odd tiles, no markers", "lfm2-vl", lfm2,
         {"tile_size": 48, "encoder_patch_size": 16, "max_image_tokens": 9, "min_image_tokens": 2, "max_pixels_tolerance": 1.5,
          "image_mean": [0.1, 0.2, 0.3]}, {"use_image_special_tokens": False}),
]
