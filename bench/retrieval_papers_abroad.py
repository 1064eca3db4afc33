"""Papers of Taiwan, Hong Kong, Japan, Korea and of English-speaking countries, from templates.

Every function gives the lines of one paper, as they are truly printed.
"""

from __future__ import annotations

from random import Random

from bench.retrieval_papers import date, digits

_EN_ITEMS = (
    "Web design",
    "Consulting services",
    "Coffee beans 5 kg",
    "Office chairs",
    "Translation, 1200 words",
    "Annual licence",
)
_EN_COMPANIES = ("Harbour & Sons Ltd", "Bluebird Studio", "Nordlicht GmbH", "Maple Office Supply")
_EN_NAMES = ("Anna Fischer", "James Whitby", "Zoë Laurent", "Priya Nair", "Tom O'Hara")


def tw_invoice(rng: Random) -> list[str]:
    """A Taiwanese electronic invoice, with the two letters and eight digits of its number."""
    total = rng.randint(40, 900)
    return [
        rng.choice(("全聯福利中心", "統一超商", "誠品書店", "路易莎咖啡", "台灣高鐵")),
        "電子發票證明聯",
        f"{rng.choice((112, 113, 114))}年{rng.choice(('01-02', '03-04', '07-08', '11-12'))}月",
        f"{rng.choice(('AB', 'GK', 'TQ', 'ZR'))}-{digits(rng, 8)}",
        date(rng, "{}-{:02}-{:02}") + f" {rng.randint(9, 21)}:{rng.randint(10, 59)}:08",
        f"隨機碼 {digits(rng, 4)} 總計 {total}",
        f"賣方 {digits(rng, 8)}",
        *rng.choice(([], [f"統一編號 {digits(rng, 8)}"])),
        rng.choice(("退貨請持本證明聯", "謝謝光臨", "感謝您的惠顧")),
    ]


def hk_receipt(rng: Random) -> list[str]:
    """A receipt from a Hong Kong restaurant or shop."""
    price = rng.randint(30, 400)
    return [
        rng.choice(("翠華餐廳", "大家樂", "惠康超級市場", "屈臣氏")),
        rng.choice(("九龍尖沙咀彌敦道", "香港銅鑼灣軒尼詩道", "新界沙田"))
        + f"{rng.randint(1, 300)}號",
        f"單號 {digits(rng, 6)} 枱號 {rng.randint(1, 40)}",
        rng.choice(("凍檸茶", "鴛鴦", "雲吞麵", "菠蘿包", "咖喱牛腩飯")) + f" ${price}.0",
        f"合計 HK${price}.0",
        f"八達通 餘額 {rng.randint(50, 900)}.{rng.randint(0, 9)}",
        f"電話 2{digits(rng, 7)}",
        rng.choice(("多謝惠顧", "謝謝光臨", "請保留收據")),
    ]


def jp_receipt(rng: Random) -> list[str]:
    """A Japanese till slip or formal receipt."""
    price = rng.randint(200, 5000)
    return [
        rng.choice(("セブンイレブン", "スターフィルコーヒー", "松屋", "青空薬局", "丸善書店")),
        rng.choice(("領収書", "領収証", "レシート")),
        date(rng, "{}年{}月{}日") + f" {rng.randint(8, 22)}:{rng.randint(10, 59)}",
        rng.choice(("アイスコーヒー", "おにぎり 鮭", "抹茶ラテ", "牛めし 並", "文庫本", "目薬"))
        + f" ¥{price}",
        f"合計 ¥{price}",
        f"(内消費税等 ¥{price // 11})",
        rng.choice(("現金", "クレジット", "交通系IC")) + f" ¥{price}",
        f"電話 03-{digits(rng, 4)}-{digits(rng, 4)}",
        rng.choice(("ありがとうございました", "またのご来店をお待ちしております")),
    ]


def kr_receipt(rng: Random) -> list[str]:
    """A Korean receipt."""
    price = rng.randint(20, 500) * 100
    return [
        rng.choice(("별빛커피 강남점", "행복마트", "서울약국", "부산돼지국밥", "한빛서점")),
        rng.choice(("영수증", "신용카드 매출전표", "현금영수증")),
        f"사업자번호 {digits(rng, 3)}-{digits(rng, 2)}-{digits(rng, 5)}",
        date(rng, "{}-{:02}-{:02}") + f" {rng.randint(9, 21)}:{rng.randint(10, 59)}",
        rng.choice(("아메리카노", "우유 1L", "돼지국밥", "감기약", "소설책")) + f" 1 {price:,}",
        f"합계 {price:,}원",
        rng.choice(("신용카드 일시불", "현금", "카카오페이")) + f" {price:,}",
        rng.choice(("감사합니다", "이용해 주셔서 감사합니다", "교환 환불은 7일 이내")),
    ]


def en_invoice(rng: Random) -> list[str]:
    """An English invoice, paid or due."""
    net = rng.randint(80, 3000)
    return [
        rng.choice(_EN_COMPANIES),
        "INVOICE",
        f"Invoice no. INV-{rng.choice((2023, 2024, 2025))}-{digits(rng, 4)}",
        f"Bill to: {rng.choice(_EN_NAMES)}",
        f"{rng.choice(_EN_ITEMS)} 1 {net}.00",
        f"VAT 20% {net * 0.2:.2f}",
        f"Total {net * 1.2:.2f} EUR",
        rng.choice(("PAID", "Payment due within 14 days", "Paid with thanks")),
        *rng.choice(([], ["Thank you for your business"], ["See terms and conditions overleaf"])),
    ]


def en_receipt(rng: Random) -> list[str]:
    """An English till slip."""
    cents = rng.randint(250, 4800)
    return [
        rng.choice(("Corner Café", "Green Grocer", "City Pharmacy", "Bean There Coffee")),
        rng.choice(("Flat white", "Croissant", "Ibuprofen 200mg", "Oat milk 1L", "Iced latte"))
        + f" {cents / 100:.2f}",
        f"TOTAL {cents / 100:.2f}",
        f"Visa **** {digits(rng, 4)}",
        date(rng, "{2}/{1:02}/{0}") if rng.random() < 0.5 else date(rng, "{}-{:02}-{:02}"),
        rng.choice(("Thank you", "Thank you, come again", "Please keep your receipt")),
    ]
