"""Conversations for whole templates, and templates of one expression each that aim at where Jinja engines differ."""

TOOL = {"type": "function", "function": {"name": "get", "description": "Looks <up> 'x' & \"é\"", "parameters": {
    "type": "object", "properties": {"n": {"type": "number", "default": 1e-7, "maximum": 1e20}, "b": {"type": "boolean", "default": True}},
    "required": ["n"], "examples": [None, 1.0, -0.5, [], {}]}}}
CALL = {"id": "call_1", "type": "function", "function": {"name": "get", "arguments": {"n": 2.50, "s": "a\n\"b\" <é>"}}}

CONVERSATIONS = [
    {"messages": [{"role": "user", "content": "Hello"}]},
    {"messages": [{"role": "system", "content": "Be short."}, {"role": "user", "content": "  Hi  \n"}], "add_generation_prompt": False},
    {"messages": [{"role": "user", "content": [{"type": "image"}, {"type": "text", "text": "What is this?"}]}]},
    {"messages": [{"role": "system", "content": [{"type": "text", "text": "Be short."}]},
                  {"role": "user", "content": [{"type": "text", "text": "Two:"}, {"type": "image"}, {"type": "image"}]},
                  {"role": "assistant", "content": [{"type": "text", "text": "Cats."}]},
                  {"role": "user", "content": [{"type": "text", "text": "Sure?"}]}]},
    {"messages": [{"role": "user", "content": "2+2?"}, {"role": "assistant", "content": "4", "reasoning": "Easy."},
                  {"role": "user", "content": "Thanks", "name": None}], "enable_thinking": False},
    {"messages": [{"role": "user", "content": "Get 2.5"}, {"role": "assistant", "content": "", "tool_calls": [CALL]},
                  {"role": "tool", "content": "{\"r\": 1}", "name": "get", "tool_call_id": "call_1"}], "tools": [TOOL], "enable_thinking": True},
    {"messages": [{"role": "assistant", "content": "I begin."}, {"role": "assistant", "content": "Twice."}]},
    {"messages": [{"role": "user", "content": [{"type": "video"}, {"type": "audio"}, {"type": "image"}, {"type": "text", "text": "<|im_end|>"}]}]},
]

PROBE_MESSAGES = [{"role": "user", "content": "Añb c\nd\te", "n": 3, "f": 0.1, "big": 1e20, "small": 1e-07, "t": True, "l": [1, "x", None, 2.0],
                   "d": {"b": 1, "a": {"k": "é\"<>&'"}}, "e": [], "s": "  pad  "}]

# Expressions between double semicolons; `m` is the first message.
_VALUES = r"""
m.f ;; m.big ;; m.small ;; m.t ;; m.missing ;; m.l ;; m.d ;; m.e ;; m.n / 2 ;; m.n // 2 ;; m.n % 2 ;; m.n ** 2 ;; -m.n ;; m.l + [1] ;; m.l * 2
"a" * 3 ;; "a" ~ 1 ~ none ~ true ;; m.l|length ;; m.content[1:] ;; m.content[::-1] ;; m.content[0] ;; m.l[-1] ;; m.d["a"].k ;; m.d.get("z", 5)
m.d.get("b") ;; m["d"]["b"] ;; m.content[-3:-1] ;; m.content.upper() ;; m.content.split() ;; m.content.split("b", 1) ;; m.content.splitlines()
m.content.replace("b", "X") ;; m.content.find("b") ;; m.content.startswith(("A", "z")) ;; m.content.endswith("e") ;; m.s.strip() ;; m.s.lstrip()
m.s.rstrip(" d") ;; m.content.title() ;; m.content.capitalize() ;; m.content.rsplit(" ", 1) ;; m.content.partition(" ") ;; m.content.rpartition("b")
"a-b-c".rsplit("-") ;; " a b ".rsplit() ;; "a b c d".rsplit(none, 2) ;; "abc".removeprefix("a") ;; "abc".removesuffix("c") ;; "7".zfill(3)
"-7".zfill(4) ;; "+".zfill(3) ;; "".zfill(2) ;; "a".ljust(3, ".") ;; "a".rjust(3) ;; "ab".center(5, "*") ;; "ab".center(4) ;; "a".center(4, ".")
"abcb".index("b") ;; "abcb".rindex("b") ;; "aB".swapcase() ;; "AB".casefold() ;; m.l.index("x") ;; m.l.count(1) ;; m.d.copy() ;; m.l.copy()
m.d.keys()|list ;; m.d.items()|list ;; m.d.values()|list ;; dict(a=1, b="c") ;; dict([("x", 1)]) ;; dict(m.d, z=1) ;; m.d|items|list
"%s and %d"|format("a", 3) ;; "{} {x}".format(1, x=2) ;; m|tojson ;; m.d|tojson(indent=2) ;; m.d|tojson(indent=1, sort_keys=true)
m.d|tojson(separators=(",", ":")) ;; m.content|tojson(ensure_ascii=true) ;; m.d|tojson(false, 2) ;; none|tojson ;; []|tojson(indent=2) ;; {}|tojson
"\u0007\u007f"|tojson ;; m.f|string ;; m.big|string ;; m.small|string ;; m.t|string ;; none|string ;; m.n|string ;; m.l|join(",") ;; m.l|first
m.l|last ;; m.l|reverse|list ;; [3, 1, 2]|sort ;; [3, 1, 2]|max ;; [3, 1, 2]|sum ;; ["b", "A"]|sort ;; ["b", "a"]|map("upper")|list
[1, 2, 3, 4]|select("even")|list ;; [1, none]|reject("none")|list ;; [{"r": 1}, {"r": 2}]|selectattr("r", "equalto", 2)|list
[{"r": 1}, {"r": 2}]|map(attribute="r")|list ;; [{"r": 1}]|rejectattr("r")|list ;; m.missing|default("d") ;; ""|default("d", true) ;; m.s|trim
m.s|replace(" ", "_") ;; m.content|upper ;; "a\nb"|indent(2) ;; "a\nb"|indent(2, true) ;; 3.7|int ;; "12"|int ;; "3.5"|float ;; 3.14159|round(2)
-3|abs ;; m.content|length ;; "abc"|list ;; m.l is iterable ;; none is iterable ;; m.n is iterable ;; "s" is iterable ;; m.d is iterable
m.missing is iterable ;; m.l is sequence ;; "s" is sequence ;; m.d is sequence ;; m.n is sequence ;; none is sequence ;; m.missing is sequence
m.d is mapping ;; m.l is mapping ;; m.s is string ;; m.n is number ;; m.f is float ;; m.n is integer ;; m.t is boolean ;; m.missing is defined
m.d is defined ;; none is none ;; m.t is true ;; m.t is false ;; "a" in m.d ;; "z" in m.d ;; "A" in m.content ;; 1 in m.l ;; 3 not in m.l
m.n > 2 and m.f ;; m.missing or "z" ;; not m.e ;; m.n if m.t else 0 ;; m.n == 3.0 ;; "b" > "a" ;; [1, 2] < [1, 3] ;; (1, 2) ;; {"a": [1, "x"]}
namespace(a=1).a ;; range(3)|list ;; range(1, 10, 4)|list ;; loop is defined ;; true ;; True ;; None ;; 1e3 ;; "a" "b" ;; bos_token + image_token
strftime_now("%Y-%m-%d %H:%M:%S %a %A %b %B %d %j %p %I %y") ;; "<b>"|e ;; "12".isdigit() ;; "ab".isalpha() ;; " ".isspace() ;; "1a".isalnum()
"a,b".split(",")|join("-") ;; "a.b".split(".")[-1] ;; m.l[1:]|length ;; m.d|length ;; m.d.a is mapping ;; m.l|string ;; m.d|string
["a\"b", 'c\'d', "é"]|string ;; [1, 1, 2]|unique|list ;; "a b"|title ;; "A b"|lower ;; "a b"|capitalize ;; [[1, "a"]]|map("first")|list
"tool" in ["tool", "x"] ;; m.content|replace("ñ", "n") ;; m.d.a.k|length ;; documents is none ;; tools is none ;; add_generation_prompt ;; m.items()|length
"""
_STATEMENTS = [
    "{% for x in m.l %}{{ loop.index }}{{ loop.first }}{{ loop.last }}{{ x }};{% endfor %}",
    "{% for k, v in m.d.items() %}{{ k }}={{ v }} {% endfor %}", "{% for k in m.d %}{{ k }}{% else %}none{% endfor %}",
    "{% for x in m.e %}{{ x }}{% else %}empty{% endfor %}", "{% for x in m.l if x %}{{ x }}{% endfor %}",
    "{% for x in [1, 2, 3, 4] %}{% if x == 2 %}{% continue %}{% endif %}{% if x == 4 %}{% break %}{% endif %}{{ x }}{% endfor %}",
    "{% for x in [1, 2] %}{{ loop.previtem }}{{ loop.nextitem }}{{ loop.changed(x) }}{{ loop.length }}{{ loop.revindex }}{% endfor %}",
    "{% set ns = namespace(i=0) %}{% for x in m.l %}{% set ns.i = ns.i + 1 %}{% endfor %}{{ ns.i }}",
    "{% set a = 1 %}{% for x in [1] %}{% set a = 2 %}{% endfor %}{{ a }}", "{% set a %}x{{ m.n }}y{% endset %}{{ a|upper }}",
    "{% macro f(x, y=2) %}{{ x }}-{{ y }}{% endmacro %}{{ f(1) }} {{ f(1, y='z') }}", "{% macro f(x) %}<{{ caller() }}{{ x }}>{% endmacro %}{% call f(1) %}in{% endcall %}",
    "{% if m.n == 3 %}\n  yes\n{% elif m.n %}\n  maybe\n{% else %}\n  no\n{% endif %}\n", "a\n  {%- if true %}\n  b  \n{%- endif %}\nc\n", "  {% set x = 1 %}  y\n\n",
    "{#- comment -#} x {# y #} z\n", "{% raw %}{{ x }}{% endraw %}", "{% with a = 1 %}{{ a }}{% endwith %}", "{{- ' a ' -}} b", "x\n{{ 'y' }}\n",
    "{% filter upper %}abc{% endfilter %}", "{% set a, b = [1, 2] %}{{ b }}", "{{ m.content.x.y }}", "{{ none + 1 }}", "{{ missing.x }}", "{{ missing() }}",
    "{{ raise_exception('Only images, please: ' ~ m.n) }}", "{% generation %}g{% endgeneration %}", "{%- generation -%} g {%- endgeneration +%}\nx",
    "{% for m in messages[1:] %}{{ m.role }}{% endfor %}|", "{% for message in messages %}{{ message['content'][:2] }}{% endfor %}", "{{ messages|tojson|length }}",
    "{% set _ = m.l.append(1) %}{{ m.l }}", "{{ [1, 2, 3][:-1] }}{{ 'é'|length }}", "{{ '\\n'.join(['a', 'b']) }}", "{{ 1 if false }}|", "{{ m.t|tojson }}{{ (1, 2)|tojson }}",
]


EXPRESSIONS = _STATEMENTS + ["{{ " + e.strip() + " }}" for line in _VALUES.strip().splitlines() for e in line.split(";;")]
EXPRESSIONS = ["{% set m = messages[0] %}" + e for e in EXPRESSIONS]
