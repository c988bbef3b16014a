"""Words that are printed into pictures; every fifth is held out of training."""
from __future__ import annotations

import zlib

_WORDS = """
able above acid actor adult after again agent album alarm alive alone amber angle apple april arch arena argue army arrow
artist atlas autumn award baby back bacon badge baker ball bamboo banana band bank barn basket beach bean bear beauty bell
bench berry bird blade blank blend block bloom board boat bone book boot border bottle bowl brain branch brave bread brick
bridge bright broom brush bucket bus butter button cabin cable cake camel camera camp candle canoe canvas car card carpet
castle cat cave cellar cement chair chalk charm cheese cherry chess chief circus city clay clever cliff clock cloth cloud
clover club coach coast coat coffee coin comet copper coral corn cotton couch cousin cover cow cradle crane cream creek
crown crystal cup curtain cycle dance dark dawn day deck deer desert desk dinner dish diver doctor dog dollar dolphin door
double dragon dream dress drink drum duck dust eagle early earth east easy echo edge egg eight elbow elm ember empty engine
equal error even event exit extra eye fabric face fact fairy falcon family farm fast father feast fence fern field fig film
finger fire fish flag flame flash fleet flint float flood floor flour flute fog forest fork fossil fox frame fresh friend
frog frost fruit galaxy game garden garlic gate gentle giant ginger glass glove goat gold golf grain grape grass gravel
great group guard guest guide guitar hall hammer hand happy harbor harp hat hawk hazel heart heavy hedge helmet hero hill
hinge hobby holly home honey hood hook hope horn horse hotel hour house human hunter ice idea igloo index ink inlet insect
iris iron island ivory jacket jade jam jar jazz jelly jewel join joke judge juice jump jungle junior kayak keep kettle key
kind king kiosk kite kitten knee knife knight knot label ladder lady lake lamp lamb land laser late laugh lawn leaf leap
lemon lens letter level lever light lily lime line lion list little lizard loaf lobby local lock logic long loop lotus loud
lucky lunch lute lynx magic magnet mango maple marble march market mask match meadow meal medal melon menu metal middle
milk mill mind mint mirror model moon moss motor mouse mouth movie music nail name narrow nature neck needle nest net never
night noble noise north nose note novel number nurse nut oak oasis oat ocean olive onion open opera orbit organ otter oven
owl oxygen page paint palace palm panda panel paper parade park party path peach peak pear pearl pencil pepper piano picnic
pilot pine pipe pirate pixel planet plate plum pocket poem polar pond pony porch poster potato powder prize proud pulse
pump puppet purse puzzle quail queen quest quick quiet quilt quiz rabbit radar radio raft rail rain ranch raven razor ready
recipe reef rhyme ribbon rice ridge ring river road robin robot rock rocket roof room root rose round royal ruby rugby ruler
saddle safe sail salad salmon salt sand saturn sauce scale scarf school season seed seven shadow shark sheep shelf shell
shield ship shirt shoe shop shore short shovel silk silver singer sister six sketch ski sky sleep sled smart smile smoke
snail snake snow soap sock sofa soil solar song soup south space spark spice spider spoon sport spring square stable stamp
star steam steel stone store storm street string studio sugar summer sun surf swan sweet swift sword syrup table tail talent
tango target taxi tea temple ten tennis tent test theory thick third thorn throne ticket tide tiger timber time tiny toast
today token tomato tool torch total towel tower town toy track train travel tree tribe truck trunk tulip tuna tunnel turtle
twelve twin twist uncle under union unit upper urban useful valley value vase velvet verse vessel video view villa vine
violet violin visit voice volume vowel voyage wagon walk wall walnut water wave wax wealth weaver week west whale wheat
wheel whisper white wild willow wind window wine wing winter wire wise wolf wonder wood wool word world worm worth yacht
yard year yellow yeti yoga young youth zebra zero zigzag zone zoo
"""

WORDS = tuple(w for w in sorted(set(_WORDS.split())) if len(w) <= 7)
HELD_OUT_WORDS = tuple(w for w in WORDS if zlib.crc32(w.encode()) % 5 == 0)
TRAINING_WORDS = tuple(w for w in WORDS if w not in set(HELD_OUT_WORDS))
