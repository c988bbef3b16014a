"""Questions about a scene and their only right answers. The answer's form follows from the picture and the question."""
from __future__ import annotations

from typing import NamedTuple

from drawing import COLOUR_NAMES, SHAPES, Scene, Shape


class Item(NamedTuple):
    type: str
    question: str
    answer: str


# one per shape: never in a picture, a question or an answer of the training data
HELD_OUT_PAIRS = (("purple", "circle"), ("orange", "square"), ("pink", "triangle"), ("green", "star"), ("blue", "heart"),
                  ("yellow", "cross"), ("red", "diamond"), ("black", "moon"))
NUMBERS = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight")
DESCRIBE = ("Describe this image.", "Describe the image.", "Describe the picture.", "Describe this picture.",
            "What is in this picture?", "What is in this image?", "What is in the picture?", "What's in this image?",
            "What do you see?", "What can you see in this picture?", "What does the picture show?", "What is this?",
            "Describe what you see.", "Describe this image in one sentence.", "Describe the image in detail.",
            "Tell me what is in the image.", "Please describe the picture.")
COLOUR_WORD = ("colour", "color")
REGIONS = (("at the top left", "at the top", "at the top right"), ("on the left", "in the middle", "on the right"),
           ("at the bottom left", "at the bottom", "at the bottom right"))


def pick(rng, options):
    return options[int(rng.integers(len(options)))]


def article(word: str) -> str:
    return ("an " if word[0] in "aeiou" else "a ") + word


def plural(kind: str) -> str:
    return kind + ("es" if kind == "cross" else "s")


def counted(n: int, kind: str, colour: str = "") -> str:
    noun = kind if n == 1 else plural(kind)
    return f"{NUMBERS[n]} {colour + ' ' if colour else ''}{noun}"


def there_are(n: int, noun: str) -> str:
    return f"There {'is' if n == 1 else 'are'} {noun}."


def listed(parts: list[str]) -> str:
    return parts[0] if len(parts) == 1 else ", ".join(parts[:-1]) + " and " + parts[-1]


def unique(shapes: list[Shape], **wanted: str) -> Shape | None:
    found = [s for s in shapes if all(getattr(s, k) == v for k, v in wanted.items())]
    return found[0] if len(found) == 1 else None


def content(scene: Scene) -> str:
    """What a picture shows, as the end of a sentence."""
    if scene.text:
        noun = "number" if scene.text.text.isdigit() else "word"
        return f"the {noun} {scene.text.text.upper()} in {scene.text.colour}"
    if scene.bars:
        tallest = max(scene.bars, key=lambda b: b.level)
        return (f"a bar chart with {counted(len(scene.bars), 'bar')}: {listed([b.colour for b in scene.bars])}. "
                f"The tallest is {tallest.colour}")
    if not scene.shapes:
        return "no shape, word or chart that I know"
    parts = [article(f"{s.size} {s.colour} {s.kind}") for s in scene.shapes]
    return listed(parts) + ("" if len(parts) == 1 else ", from left to right")


def describe(rng, scene: Scene) -> Item:
    return Item("describe", pick(rng, DESCRIBE), f"The picture shows {content(scene)}.")


# ---- shapes

def ask_count(rng, scene, asked):
    where = pick(rng, ("are there", "are in the picture", "can you see", "do you see", "are in this image"))
    mode = rng.random()
    if mode < 0.4:
        noun = pick(rng, ("shapes", "objects"))
        return Item("count", f"How many {noun} {where}?", there_are(len(scene.shapes), counted(len(scene.shapes), "shape")))
    if mode < 0.75:
        kind = pick(rng, [s.kind for s in scene.shapes]) if scene.shapes and rng.random() < 0.8 else pick(rng, SHAPES)
        n = sum(s.kind == kind for s in scene.shapes)
        return Item("count", f"How many {plural(kind)} {where}?", there_are(n, counted(n, kind)))
    colour = pick(rng, [s.colour for s in scene.shapes]) if scene.shapes and rng.random() < 0.8 else pick(rng, COLOUR_NAMES)
    n = sum(s.colour == colour for s in scene.shapes)
    return Item("count", f"How many {colour} shapes {where}?", there_are(n, counted(n, "shape", colour)))


def ask_colour(rng, scene, asked):
    shapes = [s for s in scene.shapes if unique(scene.shapes, kind=s.kind)]
    shapes = [s for s in shapes if asked is None or s is asked]
    if not shapes:
        return None
    s = pick(rng, shapes)
    c = pick(rng, COLOUR_WORD)
    question = pick(rng, (f"What {c} is the {s.kind}?", f"Which {c} is the {s.kind}?", f"What {c} does the {s.kind} have?",
                          f"What is the {c} of the {s.kind}?"))
    return Item("colour", question, f"The {s.kind} is {s.colour}.")


def ask_shape(rng, scene, asked):
    shapes = [s for s in scene.shapes if unique(scene.shapes, colour=s.colour)]
    shapes = [s for s in shapes if asked is None or s is asked]
    if not shapes:
        return None
    s = pick(rng, shapes)
    question = pick(rng, (f"Which shape is {s.colour}?", f"What shape is {s.colour}?", f"What is the {s.colour} shape?",
                          f"What {s.colour} shape is there?", f"What is {s.colour}?"))
    return Item("shape", question, f"The {s.colour} shape is {article(s.kind)}.")


def _named(rng, scene: Scene) -> tuple[Shape, str] | None:
    """A shape and a noun phrase that fits it alone."""
    s = pick(rng, scene.shapes)
    pair = f"{s.colour} {s.kind}"
    names = []
    if unique(scene.shapes, colour=s.colour, kind=s.kind):
        names.append(pair)
    if unique(scene.shapes, kind=s.kind):
        names.append(s.kind)
    return (s, pick(rng, names)) if names else None


def ask_position(rng, scene, asked):
    found = _named(rng, scene) if scene.shapes else None
    if found is None:
        return None
    s, name = found
    u, v = s.x / scene.image.width * 3, s.y / scene.image.height * 3
    if min(abs(u - 1), abs(u - 2), abs(v - 1), abs(v - 2)) < 0.16:
        return None
    question = pick(rng, (f"Where is the {name}?", f"Where in the picture is the {name}?",
                          f"In which part of the picture is the {name}?", f"Where can you see the {name}?"))
    return Item("position", question, f"The {name} is {REGIONS[int(v)][int(u)]}.")


def ask_relation(rng, scene, asked, yes_or_no: bool | None = None):
    """Where one shape is from another, or whether it is there; either, if `yes_or_no` is None."""
    if len(scene.shapes) < 2:
        return None
    a, b = _named(rng, scene), _named(rng, scene)
    if a is None or b is None or a[0] is b[0]:
        return None
    (s, first), (t, second) = a, b
    short = min(scene.image.size)
    dx, dy = (s.x - t.x) / short, (s.y - t.y) / short
    if not (rng.random() >= 0.5 if yes_or_no is None else yes_or_no):
        if max(abs(dx), abs(dy)) < 2 * min(abs(dx), abs(dy)) or max(abs(dx), abs(dy)) < 0.12:
            return None
        word = ("left of" if dx < 0 else "right of") if abs(dx) > abs(dy) else ("above" if dy < 0 else "below")
        question = pick(rng, (f"Where is the {first} relative to the {second}?", f"Where is the {first}, seen from the {second}?"))
        return Item("relation", question, f"The {first} is {word} the {second}.")
    word, true, margin = pick(rng, (("left of", dx < 0, abs(dx)), ("right of", dx > 0, abs(dx)),
                                    ("above", dy < 0, abs(dy)), ("below", dy > 0, abs(dy))))
    if margin < 0.12:
        return None
    extra = pick(rng, ("", "to the ")) if word.endswith("of") else ""
    return Item("relation", f"Is the {first} {extra}{word} the {second}?",
                f"{'Yes' if true else 'No'}, the {first} is {'' if true else 'not '}{word} the {second}.")


def is_it_there(rng, scene, asked=None):
    return ask_relation(rng, scene, asked, True)


def ask_largest(rng, scene, asked):
    size, word = pick(rng, (("large", "largest"), ("small", "smallest")))
    s = unique(scene.shapes, size=size)
    if s is None or len(scene.shapes) < 2:
        return None
    other = pick(rng, {"largest": ("largest", "biggest"), "smallest": ("smallest",)}[word])
    question = pick(rng, (f"Which shape is the {other}?", f"Which is the {other} shape?", f"What is the {other} shape?",
                          f"Which one is the {other}?"))
    return Item("largest", question, f"The {word} is the {s.colour} {s.kind}.")


def ask_exists(rng, scene, asked):
    present = {(s.colour, s.kind) for s in scene.shapes}
    if present and rng.random() < 0.5:
        colour, kind = pick(rng, sorted(present))
    else:
        colour, kind = pick(rng, COLOUR_NAMES), pick(rng, SHAPES)
        if present and rng.random() < 0.7:  # a pair of which one half is there
            known = pick(rng, sorted(present))
            colour, kind = (known[0], kind) if rng.random() < 0.5 else (colour, known[1])
    if asked is not None:
        colour, kind = asked.colour, asked.kind
    elif (colour, kind) in HELD_OUT_PAIRS and (colour, kind) not in present:
        return None
    noun = f"{colour} {kind}"
    question = pick(rng, (f"Is there {article(noun)}?", f"Is there {article(noun)} in the picture?", f"Can you see {article(noun)}?",
                          f"Do you see {article(noun)}?"))
    if (colour, kind) in present:
        return Item("exists", question, f"Yes, there is {article(noun)}.")
    return Item("exists", question, f"No, there is no {noun}.")


def ask_side(rng, scene, asked):
    if len(scene.shapes) < 2:
        return None
    word, s = pick(rng, (("left", scene.shapes[0]), ("right", scene.shapes[-1])))
    question = pick(rng, (f"What is furthest to the {word}?", f"Which shape is on the far {word}?",
                          f"Which shape is the {word}most?"))
    return Item("position", question, f"The {word}most shape is {article(f'{s.colour} {s.kind}')}.")


def ask_absent(rng, scene, asked):
    kind = pick(rng, SHAPES)
    if any(s.kind == kind for s in scene.shapes):
        return None
    c = pick(rng, COLOUR_WORD)
    return Item("absent", pick(rng, (f"What {c} is the {kind}?", f"Where is the {kind}?", f"What is the {c} of the {kind}?")),
                f"There is no {kind}.")


SHAPE_QUESTIONS = ((ask_count,) * 2 + (ask_colour, ask_shape) + (ask_position,) * 2 + (ask_relation,) * 4 +
                   (ask_largest, ask_exists, ask_side, ask_absent))
OTHER_QUESTIONS = (ask_count, ask_exists, ask_absent)


# ---- text and charts

def read(rng, scene: Scene, asked=None) -> Item:
    question = pick(rng, ("What does it say?", "What is written here?", "Read the text.", "What does the text say?",
                          "What word or number is this?", "What is written in the picture?", "Read the word.",
                          "Read what is written."))
    return Item("read", question, f"It says {scene.text.text.upper()}.")


def text_colour(rng, scene: Scene, asked=None) -> Item:
    c = pick(rng, COLOUR_WORD)
    return Item("text_colour", pick(rng, (f"What {c} is the text?", f"What is the {c} of the text?",
                                          f"What {c} is the writing?", f"In which {c} is it written?")),
                f"The text is {scene.text.colour}.")


def ask_bar_count(rng, scene, asked=None):
    n = len(scene.bars)
    return Item("chart", pick(rng, ("How many bars are there?", "How many bars does the chart have?",
                                    "How many bars can you see?")), there_are(n, counted(n, "bar")))


def ask_bar_extreme(rng, scene, asked=None):
    word, best = pick(rng, (("tallest", max), ("shortest", min)))
    also = pick(rng, {"tallest": ("tallest", "highest", "longest"), "shortest": ("shortest", "lowest")}[word])
    question = pick(rng, (f"Which bar is the {also}?", f"What {pick(rng, COLOUR_WORD)} is the {also} bar?"))
    return Item("chart", question, f"The {word} bar is {best(scene.bars, key=lambda b: b.level).colour}.")


def ask_bar_compare(rng, scene, asked=None):
    i, j = rng.permutation(len(scene.bars))[:2]
    a, b = scene.bars[i], scene.bars[j]
    taller = a.level > b.level
    return Item("chart", f"Is the {a.colour} bar taller than the {b.colour} bar?",
                f"{'Yes' if taller else 'No'}, the {(a if taller else b).colour} bar is taller.")


TEXT_QUESTIONS = (read, read, text_colour)
CHART_QUESTIONS = (ask_bar_count, ask_bar_extreme, ask_bar_extreme, ask_bar_compare)


# ---- two pictures

def describe_both(rng, first: Scene, second: Scene) -> Item:
    return Item("describe_two", pick(rng, DESCRIBE + ("Describe both pictures.", "Describe the pictures.", "Describe these images.",
                                                      "What is in these pictures?")),
                f"The first picture shows {content(first)}. The second picture shows {content(second)}.")


def compare(rng, first: Scene, second: Scene) -> Item:
    kinds = [s.kind for s in first.shapes + second.shapes]
    noun, kind = ("shapes", None) if rng.random() < 0.35 or not kinds else (None, pick(rng, kinds))
    noun = noun or plural(kind)
    a, b = (sum(kind in (None, s.kind) for s in x.shapes) for x in (first, second))
    question = pick(rng, (f"Which picture has more {noun}?", f"Which image has more {noun}?",
                          f"In which picture are there more {noun}?"))
    if a == b:
        return Item("compare", question, f"Both have {NUMBERS[a]} {noun if a != 1 or kind is None else kind}."
                    if a != 1 or kind else "Both have one shape.")
    return Item("compare", question, f"The {'first' if a > b else 'second'} picture has more {noun}.")


def one_of_two(rng, first: Scene, second: Scene) -> Item | None:
    """A question about one of the two."""
    word, scene = pick(rng, (("first", first), ("second", second)))
    if rng.random() < 0.5:
        n = len(scene.shapes)
        return Item("which_picture", f"How many shapes are in the {word} picture?", there_are(n, counted(n, "shape")))
    item = ask_colour(rng, scene, None)
    return item and Item("which_picture", item.question.replace("?", f" in the {word} picture?"), item.answer)


def changed(rng, answer: str) -> Item:
    return Item("change", pick(rng, ("What changed?", "What has changed?", "What is different in the second picture?",
                                     "What is the difference between the pictures?", "How do the two pictures differ?")), answer)


# ---- without a picture, or beside the point

OFF_TOPIC = ("What is the capital of France?", "Who are you?", "Hello", "Hi there!", "Write a poem.", "What time is it?",
             "How old are you?", "Tell me a joke.", "What is two plus two?", "Translate this into German.", "Thank you!",
             "Who wrote this program?", "Is it raining?", "How do I bake bread?", "What is your name?", "Can you help me?",
             "Explain how a car works.", "Why is the sky blue?", "Who is the president?", "Sing a song.", "Good morning",
             "What can you do?", "Are you a large model?", "Where do you live?", "Give me three ideas for dinner.")
I_CANNOT = "I only know shapes, colours, printed words and bar charts in pictures."


def off_topic(rng) -> Item:
    return Item("off_topic", pick(rng, OFF_TOPIC), I_CANNOT)
