"""What the benchmark images show: receipts, screens, signs, tables, documents and code."""

import random
from dataclasses import dataclass, replace

from bench import ocr_text as text
from bench.ocr_canvas import (
    INK,
    Colour,
    Page,
    Size,
    Style,
    clouds,
    wrapped,
)

WHITE: Colour = (255, 255, 255)
GREY: Colour = (138, 138, 146)


@dataclass(frozen=True)
class Theme:
    """The colours of a screen."""

    ground: Colour
    card: Colour
    mine: Colour
    ink: Colour
    faint: Colour


LIGHT = Theme((242, 243, 247), WHITE, (158, 234, 106), INK, GREY)
DARK = Theme((17, 18, 22), (40, 42, 50), (38, 92, 72), (226, 227, 232), (142, 146, 158))


def receipt(rng: random.Random, size: Size) -> Page:
    """Draw a till receipt, on paper of that size."""
    page = Page.blank(size, (250, 248, 242))
    width, unit = size[0], size[0] // 27
    body, edge = Style(unit, weight=rng.choice((350, 450))), unit * 2
    gap = unit * 1.75
    page.write((width / 2, gap), rng.choice(text.SHOPS), Style(unit * 2, weight=700), "ma")
    y = gap * 3.4
    heads = (
        text.address(rng),
        f"电话：{text.phone(rng)}",
        f"单号：{text.digits(rng, 16)}",
        f"日期：{text.date(rng)}  {text.clock(rng)}",
        f"收银员：{text.person(rng)}",
    )
    for head in heads:
        page.write((edge, y), head, body)
        y += gap
    columns = (edge, width * 0.68, width - edge)
    _rule(page, y + unit * 0.3, edge)
    y += gap * 0.6
    _row(page, y, columns, ("品名", "数量", "金额"), replace(body, weight=700))
    total, count = 0.0, 0
    for name in rng.sample(text.GOODS, rng.randint(5, 12)):
        y += gap
        price, times = round(rng.uniform(1, 90), 2), rng.randint(1, 4)
        _row(page, y, columns, (name, str(times), f"{price * times:.2f}"), body)
        total, count = total + price * times, count + times
        if y > size[1] - gap * 9:
            break
    _rule(page, y + gap, edge)
    _receipt_foot(rng, page, y + gap * 1.4, body, (count, total))
    return page


def _receipt_foot(
    rng: random.Random, page: Page, y: float, body: Style, sums: tuple[int, float]
) -> None:
    unit, width = body.size, page.image.width
    gap, edge, bold = unit * 1.75, unit * 2, replace(body, size=body.size * 3 // 2, weight=700)
    page.write((edge, y), f"合计 {sums[0]} 件", body)
    page.write((width - edge, y - unit * 0.2), f"¥{sums[1]:.2f}", bold, "ra")
    way = rng.choice(("微信支付", "支付宝", "现金", "银联卡 6222****" + text.digits(rng, 4)))
    page.write((edge, y + gap), f"支付方式：{way}", body)
    thanks = rng.choice(("谢谢惠顾，欢迎再次光临", "请保留小票以便退换", "Thank you! 欢迎下次光临"))
    page.write((width / 2, y + gap * 2.5), thanks, body, "ma")
    x, y = edge * 2, y + gap * 4
    while x < width - edge * 2 and y < page.image.height - gap * 2:
        # A bar code: the noise next to the text that a detector meets on a real receipt.
        bar = rng.randint(2, 6)
        page.draw.rectangle((x, y, x + bar, y + gap * 1.5), fill=INK)
        x += bar + rng.randint(3, 8)


def _rule(page: Page, y: float, edge: float) -> None:
    for x in range(int(edge), int(page.image.width - edge), 12):
        page.draw.line((x, y, x + 6, y), fill=INK, width=2)


def _row(
    page: Page, y: float, columns: tuple[float, ...], cells: tuple[str, ...], style: Style
) -> None:
    for x, cell, anchor in zip(columns, cells, ("la", "ma", "ra"), strict=True):
        page.write((x, y), cell, style, anchor)


def _phone_head(rng: random.Random, page: Page, title: str, theme: Theme) -> float:
    width = page.image.width
    small = Style(30, theme.ink, 600)
    page.write((54, 26), text.clock(rng), small)
    page.write((width - 60, 26), f"{rng.randint(5, 100)}%", small, "ra")
    page.write((width / 2, 96), title, Style(44, theme.ink, 600), "ma")
    page.draw.line((0, 176, width, 176), fill=theme.faint, width=1)
    return 176


def chat(rng: random.Random, size: Size, theme: Theme = LIGHT) -> Page:
    """Draw a conversation on a telephone."""
    page = Page.blank(size, theme.ground)
    title = rng.choice((text.person(rng), "家庭群(5)", "项目讨论组", "Weekend Hiking"))
    y = _phone_head(rng, page, title, theme) + 40.0
    style = Style(rng.choice((36, 40)), theme.ink)
    messages = rng.sample(text.CHAT, 16)
    while y < size[1] - 360 and messages:
        if rng.random() < 0.3:
            page.write((size[0] / 2, y), text.clock(rng), replace(style, size=26), "ma")
            y += 56
        message = messages.pop()
        if rng.random() < 0.25:
            message += rng.choice((f" {text.phone(rng)}", f" {text.email(rng)}", text.address(rng)))
        y = _bubble(page, y, wrapped(message, style, size[0] * 0.56), style, theme)
        y += rng.randint(34, 60)
    page.draw.rounded_rectangle((120, size[1] - 110, size[0] - 120, size[1] - 30), 20, theme.card)
    page.write((150, size[1] - 88), "发送消息", Style(32, theme.faint))
    return page


def _bubble(page: Page, y: float, lines: list[str], style: Style, theme: Theme) -> float:
    mine = len(page.runs) % 2 == 0
    wide, pitch = max(style.width(line) for line in lines), style.size * 1.45
    right = page.image.width - 130
    left = right - wide - 60 if mine else 130
    bottom = y + pitch * len(lines) + 36
    page.draw.rounded_rectangle(
        (left, y, left + wide + 60, bottom), 18, theme.mine if mine else theme.card
    )
    face = (page.image.width - 110, 30)[not mine]
    page.draw.rounded_rectangle((face, y, face + 80, y + 80), 12, (96 + int(y) % 120, 130, 168))
    for number, line in enumerate(lines):
        page.write((left + 30, y + 14 + number * pitch), line, style)
    return bottom


def settings(rng: random.Random, size: Size, theme: Theme = LIGHT) -> Page:
    """Draw a list of settings on a telephone."""
    page = Page.blank(size, theme.ground)
    y = _phone_head(rng, page, "设置", theme) + 40.0
    style = Style(38, theme.ink)
    for number, name in enumerate(rng.sample(text.SETTINGS, len(text.SETTINGS))):
        if y > size[1] - 150:
            break
        page.draw.rectangle((0, y, size[0], y + 108), theme.card)
        page.draw.line((140, y + 107, size[0], y + 107), fill=theme.ground, width=2)
        colour = (rng.randint(60, 220), rng.randint(60, 220), rng.randint(60, 220))
        page.draw.rounded_rectangle((44, y + 24, 104, y + 84), 14, colour)
        page.write((140, y + 26), name, style)
        if rng.random() < 0.6:
            value = rng.choice(text.SETTING_VALUES)
            page.write((size[0] - 60, y + 28), value, Style(34, theme.faint), "ra")
        y += 150 if number % 4 == 3 else 110
    return page


def web(rng: random.Random, size: Size, theme: Theme = LIGHT) -> Page:
    """Draw a news page in a browser on a desktop."""
    page = Page.blank(size, theme.card)
    page.draw.rectangle((0, 0, size[0], 76), theme.ground)
    page.draw.rounded_rectangle((190, 14, size[0] - 200, 62), 24, theme.card)
    page.write((224, 22), text.web_address(rng), Style(24, theme.faint, face="EN"))
    x = 70.0
    for entry in ("首页", "新闻", "科技", "Photos", "登录"):
        x = page.write((x, 104), entry, Style(28, theme.ink, 600)) + 56
    half = size[0] // 2
    for left in (70, half + 40):
        y = 186.0
        while y < size[1] - 250:
            y = _teaser(rng, page, (left, y), half - 130, theme) + 34
    return page


def _teaser(
    rng: random.Random, page: Page, at: tuple[float, float], wide: float, theme: Theme
) -> float:
    (x, y), used = at, {run.text for run in page.runs}
    head = Style(34, theme.ink, 700)
    title = rng.choice([line for line in text.HEADLINES if line not in used] or [text.person(rng)])
    page.write((x, y), head.shortened(title, wide), head)
    body, y = Style(24, theme.ink, face=rng.choice(("SC", "SC", "EN"))), y + 58
    for line in wrapped(text.paragraph(rng, body.face, 2), body, wide)[:4]:
        page.write((x, y), line, body)
        y += 38
    source = f"{text.person(rng)}  {text.date(rng)}  {text.clock(rng)}"
    page.write((x, y + 4), source, Style(22, theme.faint))
    return y + 40


def sign(rng: random.Random, size: Size, words: tuple[str, ...], face: str = "SC") -> Page:
    """Draw a few big words on a coloured board in front of a blurred scene."""
    low = (rng.randint(20, 90), rng.randint(40, 90), rng.randint(40, 100))
    high = (rng.randint(130, 210), rng.randint(130, 210), rng.randint(120, 220))
    page = Page(clouds(rng, size, low, high, (5, 4)))
    board, ink = rng.choice(
        (
            ((196, 28, 34), WHITE),
            ((0, 92, 170), WHITE),
            ((16, 120, 72), WHITE),
            ((248, 204, 36), (24, 24, 24)),
            ((240, 238, 230), (150, 24, 30)),
        )
    )
    margin, pad = size[0] * 0.07, size[0] * 0.05
    tall = (size[1] * 0.86) / len(words)
    y = size[1] * 0.07
    for word in words:
        fit = min(tall * 0.42, (size[0] - 2 * margin - 2 * pad) / Style(100).width(word) * 100)
        style = Style(int(fit * rng.uniform(0.8, 1)), ink, rng.choice((500, 700, 900)), face)
        wide = style.width(word) + 2 * pad
        left = rng.uniform(margin, size[0] - margin - wide)
        bottom = y + style.size * 1.9
        page.draw.rounded_rectangle((left, y, left + wide, bottom), style.size // 6, board)
        page.write((left + pad, (y + bottom) / 2), word, style, "lm")
        y += tall
    return page


def table(rng: random.Random, size: Size, layout: int, rows: int) -> Page:
    """Draw a ruled table with a title, filling the page."""
    title, headings = text.LAYOUT_TABLES[layout]
    page = Page.blank(size, (252, 252, 250))
    grid = [headings] + [
        tuple(text.table_cell(rng, heading, row) for heading in headings) for row in range(rows)
    ]
    left, top, right = size[0] * 0.05, size[1] * 0.14, size[0] * 0.95
    high = (size[1] * 0.94 - top) / len(grid)
    columns = list(zip(*grid, strict=True))
    # Columns as wide as their longest cell asks for, so the letters can be as big as they may.
    asked = [max(Style(100).width(cell) for cell in column) + 120 for column in columns]
    scale = (right - left) / sum(asked)
    style = Style(int(min(high * 0.5, 100 * scale)))
    page.write((size[0] / 2, size[1] * 0.05), title, replace(style, size=style.size * 3 // 2), "ma")
    page.draw.rectangle((left, top, right, top + high), (224, 232, 242))
    x = left
    for column, ask in zip(columns, asked, strict=True):
        page.draw.line((x, top, x, top + high * len(grid)), fill=INK, width=2)
        x += ask * scale
        for number, cell in enumerate(column):
            middle = (x - ask * scale / 2, top + high * (number + 0.5))
            page.write(middle, cell, replace(style, weight=700 if number == 0 else 400), "mm")
    for number in range(len(grid) + 1):
        y = top + high * number
        page.draw.line((left, y, right, y), fill=INK, width=2)
    page.draw.line((right, top, right, top + high * len(grid)), fill=INK, width=2)
    return page


def document(rng: random.Random, size: Size, face: str, glyph: int) -> Page:
    """Draw a page of paragraphs in letters of `glyph` pixels; face "mixed" changes the language."""
    page = Page.blank(size, (251, 250, 246))
    faces = ("SC", "EN", "TC", "JP") if face == "mixed" else (face,)
    edge, pitch = glyph * 4, glyph * 1.8
    y, number = glyph * 4.0, 0
    if "SC" in faces:
        page.write((edge, y), rng.choice(text.HEADLINES), Style(glyph * 2, weight=700))
        y += glyph * 4
    while True:
        body = Style(glyph, face=faces[number % len(faces)])
        lines = wrapped(text.paragraph(rng, body.face, 4), body, size[0] - 2 * edge - glyph)
        number += 1
        if y + pitch * (len(lines) + 2) > size[1] - edge or number > 9:
            break
        for line in lines:
            page.write((edge, y), line, body)
            y += pitch
        y += glyph
        if number % 2 == 0:
            page.write((edge, y), text.contact(rng), replace(body, face="SC", weight=600))
            y += pitch * 1.4
    page.write((size[0] - edge, size[1] - glyph * 3), text.date(rng), Style(glyph), "ra")
    return page


def code(rng: random.Random, size: Size, glyph: int) -> Page:
    """Draw an editor in dark colours."""
    page = Page.blank(size, (30, 31, 38))
    colours = ((214, 216, 224), (130, 200, 255), (152, 214, 140), (232, 178, 108), (206, 150, 232))
    page.draw.rectangle((0, 0, glyph * 3.4, size[1]), (38, 40, 48))
    pitch = glyph * 1.75
    start = rng.randint(1, 400)
    lines = rng.sample(text.CODE, min(len(text.CODE), int(size[1] / pitch) - 2))
    for number, line in enumerate(lines):
        y = glyph + number * pitch
        page.write((glyph * 3, y), str(start + number), Style(glyph, (116, 120, 134)), "ra")
        page.write((glyph * 4.5, y), line, Style(glyph, rng.choice(colours)))
    return page
