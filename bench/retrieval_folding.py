"""When two spellings are the same to someone who searches: width, case, accents, old characters."""

from __future__ import annotations

import re
import unicodedata

# Each traditional character that the set uses, with its simplified one.
_PAIRS = (
    "並并來来係系備备傳传內内凍冻參参喫吃單单國国園园圓圆圖图場场專专幹干庫库廳厅彌弥據据時时書书東东"
    "極极樂乐機机檸柠歡欢灣湾煙烟熱热現现環环發发碼码稱称紅红級级統统網网緊紧線线編编縣县總总罰罚聯联"
    "臨临臺台華华藥药蘿萝號号蝦虾術术覽览計计証证詩诗話话誠诚請请謝谢證证貨货費费賣卖購购車车軒轩輪轮"
    "運运達达銀银銅铜鐵铁鑼锣開开間间閱阅隨随雲云電电靜静領领額额顧顾飯饭飲饮餅饼餘余館馆駐驻鬚须鮭鲑"
    "鮮鲜鴛鸳鴦鸯麵面龍龙聽听"
)
_SIMPLIFIED = str.maketrans(_PAIRS[::2], _PAIRS[1::2])
_IDEOGRAPH = re.compile(r"[\u3400-\u9fff々〇]")
_CJK = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af々〇]")


def fold(text: str) -> str:
    """The spelling that is compared; signs and spaces stay."""
    plain = unicodedata.normalize("NFKC", text).casefold()
    return "".join(map(_without_accent, plain)).translate(_SIMPLIFIED)


def squeezed(text: str) -> str:
    """The same without signs and spaces."""
    return "".join(filter(str.isalnum, fold(text)))


def is_ideograph(character: str) -> bool:
    """Whether it is a Chinese character, or a Japanese one of Chinese shape."""
    return bool(_IDEOGRAPH.match(character))


def is_cjk(character: str) -> bool:
    """Whether it is written without spaces between words, or, in Korean, often enough."""
    return bool(_CJK.match(character))


def _without_accent(character: str) -> str:
    # Only of Latin letters: が without its mark is another letter.
    if not unicodedata.name(character, "").startswith("LATIN"):
        return character
    return "".join(
        one for one in unicodedata.normalize("NFD", character) if not unicodedata.combining(one)
    )
