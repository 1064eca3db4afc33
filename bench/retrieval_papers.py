"""Papers of the mainland as they lie in photo libraries, drawn from templates: invoices, receipts,
tickets, number plates, parcels, medicine, menus and business cards.

Every function gives the lines of one paper, as they are truly printed.
"""

from __future__ import annotations

from random import Random

CITIES = ("杭州", "上海", "北京", "南京", "苏州", "成都", "深圳", "武汉")
_PROVINCES = {
    "杭州": "浙江",
    "上海": "上海",
    "北京": "北京",
    "南京": "江苏",
    "苏州": "江苏",
    "成都": "四川",
    "深圳": "深圳",
    "武汉": "湖北",
}
_STREETS = ("文三路", "虹桥路", "人民路", "中山北路", "科技园路", "解放大道", "云栖路", "建国西街")
_TRADES = ("云栖商贸", "康达医药", "鼎味餐饮管理", "星河数码科技", "安途汽车服务", "茗香茶业")
_NAMES = ("王芳", "李娜", "张伟", "刘洋", "陈静", "赵磊", "周敏", "吴刚", "徐丽", "孙强")
_GOODS = (
    "*餐饮服务*餐费",
    "*住宿服务*住宿费",
    "*电子设备*iPhone 15 手机壳",
    "*日用品*办公用纸",
    "*茶及饮料*龙井茶",
    "*运输服务*客运服务费",
    "*信息技术服务*软件开发",
)
_FOODS = (
    ("纯牛奶 250ml", 45),
    ("全麦面包", 89),
    ("矿泉水 550ml", 20),
    ("鲜鸡蛋 10枚", 128),
    ("五常大米 5kg", 598),
    ("草鱼 散装", 236),
    ("番茄", 67),
    ("牛奶糖", 159),
    ("速溶咖啡 20条", 329),
    ("乌龙茶", 55),
    ("豆浆粉", 188),
    ("花生油 5L", 899),
    ("T恤 纯棉", 590),
    ("电池 5号", 150),
    ("苹果", 126),
)
_SHOPS = ("联华超市", "永辉超市", "好又多便利店", "全时便利", "百果园", "物美大卖场")
_DISHES = (
    "牛肉面 28",
    "西湖醋鱼 88",
    "龙井虾仁 98",
    "豆浆 5",
    "油条 4",
    "红烧牛肉 58",
    "鱼香肉丝 36",
    "清炒时蔬 22",
    "小笼包 18",
    "酸辣汤 16",
    "云吞面 24",
    "拿铁咖啡 30",
    "美式咖啡 25",
    "桂花糖藕 26",
    "茉莉花茶 38",
    "米饭 3",
    "麻婆豆腐 28",
    "酸菜鱼 78",
    "梅菜扣肉 52",
    "雪菜肉丝面 22",
)
_MEDICINES = (
    ("阿莫西林胶囊", "0.25g×24粒", "适用于敏感菌所致的感染"),
    ("布洛芬缓释胶囊", "0.3g×20粒", "用于缓解轻至中度疼痛"),
    ("复方感冒灵颗粒", "14g×9袋", "辛凉解表，清热解毒"),
    ("蒙脱石散", "3g×10袋", "用于成人及儿童急、慢性腹泻"),
    ("盐酸西替利嗪片", "10mg×12片", "季节性过敏性鼻炎"),
    ("奥美拉唑肠溶胶囊", "20mg×14粒", "用于胃溃疡"),
    ("维生素C片", "100mg×100片", "预防坏血病"),
    ("板蓝根颗粒", "10g×20袋", "清热解毒，凉血利咽"),
    ("小儿氨酚黄那敏颗粒", "6g×10袋", "适用于缓解儿童普通感冒"),
    ("云南白药气雾剂", "85g+30g", "活血散瘀，消肿止痛"),
    ("头孢克肟分散片", "50mg×12片", "用于敏感菌引起的支气管炎"),
)
_COURIERS = (("顺丰速运", "SF"), ("圆通速递", "YT"), ("中通快递", "7312"), ("京东物流", "JD"))


def digits(rng: Random, count: int) -> str:
    """So many digits, the first of them no zero."""
    return str(rng.randrange(10 ** (count - 1), 10**count))


def date(rng: Random, pattern: str = "{}年{:02}月{:02}日") -> str:
    """A day of 2023 to 2025."""
    return pattern.format(rng.choice((2023, 2024, 2025)), rng.randint(1, 12), rng.randint(1, 28))


def _seller(rng: Random, city: str) -> list[str]:
    return [
        f"名称：{city}{rng.choice(_TRADES)}有限公司",
        f"纳税人识别号：9133{digits(rng, 12)}{rng.choice('KXQ')}{digits(rng, 1)}",
        f"地址、电话：{city}市{rng.choice(_STREETS)}{rng.randint(1, 600)}号 0571-{digits(rng, 8)}",
    ]


def _buyer(rng: Random) -> str:
    """A buyer, as often from 杭州 as not: one's own invoices name one's own company."""
    city = rng.choice(CITIES) if rng.random() < 0.5 else CITIES[0]
    return f"购买方 名称：{city}{rng.choice(_TRADES)}有限公司"


def _amounts(rng: Random) -> list[str]:
    yuan = rng.randint(20, 2000)
    return ["价税合计（大写） 人民币圆整", f"（小写）¥{yuan}.00", f"税率 6% 税额 {yuan * 0.06:.2f}"]


def vat_invoice(rng: Random) -> list[str]:
    """增值税电子普通发票, of a company in one city for one in another."""
    city = rng.choice(CITIES)
    return [
        f"{_PROVINCES[city]}增值税电子普通发票",
        f"发票代码：0{digits(rng, 11)}",
        f"发票号码：{digits(rng, 8)}",
        f"开票日期：{date(rng)}",
        f"校验码：{digits(rng, 5)} {digits(rng, 5)} {digits(rng, 5)} {digits(rng, 5)}",
        _buyer(rng),
        "货物或应税劳务、服务名称 规格型号 单位 数量 单价 金额",
        rng.choice(_GOODS),
        *_amounts(rng),
        "销售方",
        *_seller(rng, city),
        f"收款人：{rng.choice(_NAMES)} 复核：{rng.choice(_NAMES)} 开票人：{rng.choice(_NAMES)}",
    ]


def digital_invoice(rng: Random) -> list[str]:
    """The fully digital invoice, which has no code but a number of twenty digits."""
    city = rng.choice(CITIES)
    return [
        "电子发票（普通发票）",
        f"发票号码：{digits(rng, 20)}",
        f"开票日期：{date(rng)}",
        _buyer(rng),
        "项目名称 规格型号 单位 数量 单价 金额 税率/征收率 税额",
        rng.choice(_GOODS),
        *_amounts(rng)[:2],
        "销售方信息",
        *_seller(rng, city)[:2],
        f"开票人：{rng.choice(_NAMES)}",
    ]


def special_invoice(rng: Random) -> list[str]:
    """增值税专用发票, from which the buyer may deduct the tax."""
    city = rng.choice(CITIES)
    return [
        f"{_PROVINCES[city]}增值税专用发票",
        f"No {digits(rng, 8)}",
        "抵扣联",
        f"开票日期：{date(rng)}",
        _buyer(rng),
        rng.choice(_GOODS),
        *_amounts(rng),
        *_seller(rng, city),
    ]


def shop_receipt(rng: Random) -> list[str]:
    """A supermarket's slip; it is no invoice, and seldom speaks of one."""
    bought = rng.sample(_FOODS, rng.randint(2, 6))
    total = sum(price for _, price in bought) / 10
    return [
        f"{rng.choice(_SHOPS)}（{rng.choice(CITIES)}{rng.choice(_STREETS)}店）",
        f"收银员：{digits(rng, 4)} 单号：{digits(rng, 10)}",
        date(rng, "{}-{:02}-{:02}") + f" {rng.randint(8, 21)}:{rng.randint(10, 59)}",
        *(f"{name} 1 {price / 10:.2f}" for name, price in bought),
        f"件数：{len(bought)} 合计：{total:.2f}",
        rng.choice(("微信支付", "支付宝", "现金", "银联卡")) + f" {total:.2f}",
        rng.choice(("谢谢光临", "谢谢惠顾，欢迎再来", "凭小票七日内退换")),
    ]


def taxi_receipt(rng: Random) -> list[str]:
    """A taxi's receipt with its plate."""
    city = rng.choice(CITIES[:4])
    return [
        f"{city}市出租汽车专用收据",
        f"车号 {rng.choice(('浙A', '沪A', '京B', '苏A'))}·T{digits(rng, 4)}",
        f"日期 {date(rng, '{}-{:02}-{:02}')}",
        f"上车 {rng.randint(8, 12)}:{rng.randint(10, 59)} 下车 13:{rng.randint(10, 59)}",
        f"里程 {rng.randint(2, 40)}.{rng.randint(0, 9)}km",
        f"金额 {rng.randint(11, 150)}.00元",
        f"电话 {digits(rng, 8)}",
    ]


def train_ticket(rng: Random) -> list[str]:
    """A ticket of the railway between two cities."""
    stations = ("杭州东站", "上海虹桥站", "北京南站", "南京南站", "苏州站", "武汉站", "上海站")
    start, end = rng.sample(stations, 2)
    return [
        f"{rng.choice('ABCDE')}{digits(rng, 6)} 检票：{rng.randint(1, 20)}{rng.choice('AB')}",
        f"{start} G{rng.choice((7301, 7309, 73, 1377, 101, 137, 7520))} {end}",
        f"{date(rng)} {rng.randint(6, 21):02}:{rng.randint(0, 59):02}开",
        f"{rng.randint(1, 16):02}车{rng.randint(1, 18):02}{rng.choice('ABCDF')}号 二等座",
        f"¥{rng.randint(60, 600)}.5元",
        f"3301{digits(rng, 6)}****{digits(rng, 4)} {rng.choice(_NAMES)}",
        rng.choice(("限乘当日当次车", "买票请到12306 发货请到95306", "报销凭证 遗失不补")),
    ]


def boarding_pass(rng: Random) -> list[str]:
    """A boarding pass in Chinese and English."""
    start, end = rng.sample(("杭州萧山", "上海虹桥", "上海浦东", "北京首都", "成都天府"), 2)
    return [
        "登机牌 BOARDING PASS",
        f"航班 FLIGHT {rng.choice(('MU5137', 'CA1701', 'MU5173', 'CZ3842', 'HO1252'))}",
        f"姓名 NAME {rng.choice(_NAMES)}",
        f"从 FROM {start}",
        f"到 TO {end}",
        f"日期 DATE {date(rng, '{}-{:02}-{:02}')}",
        f"登机口 GATE {rng.randint(1, 60)} 座位 SEAT {rng.randint(4, 60)}{rng.choice('ABCJKL')}",
        "登机口于起飞前15分钟关闭",
    ]


def number_plate(rng: Random) -> list[str]:
    """The back of a car, sometimes with its maker's name."""
    plate = f"{rng.choice(('沪A', '浙A', '浙A', '京B', '苏E'))}·"
    plate += rng.choice(("D39", "D3", "8K", "F6", "L2", "Q7", "")) + digits(rng, 3)
    plate = (plate + digits(rng, 6))[:8]
    return [*rng.choice(([], ["比亚迪"], ["Volvo", "XC60"], ["大众汽车"])), plate]


def parking_ticket(rng: Random) -> list[str]:
    """What a car park prints."""
    return [
        f"{rng.choice(CITIES)}{rng.choice(('银泰', '万象城', '虹桥天地', '市民中心'))}停车场",
        *number_plate(rng)[-1:],
        f"入场 {date(rng, '{}/{:02}/{:02}')} 09:{rng.randint(10, 59)}",
        f"停车时长 {rng.randint(1, 9)}小时{rng.randint(1, 59)}分",
        f"应收 {rng.randint(5, 60)}.00元",
    ]


def parcel(rng: Random) -> list[str]:
    """A parcel's label with its tracking number."""
    courier, prefix = rng.choice(_COURIERS)
    city = rng.choice(CITIES)
    return [
        courier,
        f"运单号 {prefix}{digits(rng, 12)}",
        f"收 {rng.choice(_NAMES)[0]}* 138****{digits(rng, 4)}",
        f"{_PROVINCES[city]} {city}市 {rng.choice(_STREETS)}{rng.randint(1, 900)}号",
        f"寄 {rng.choice(CITIES)}{rng.choice(_TRADES)}有限公司",
        rng.choice(("易碎物品 轻拿轻放", "电子产品", "文件", "生鲜 请尽快签收")),
        date(rng, "{}/{:02}/{:02}") + f" 打印 第{rng.randint(1, 3)}联",
    ]


def medicine_box(rng: Random) -> list[str]:
    """The front of a box of medicine."""
    name, size, use = rng.choice(_MEDICINES)
    return [
        name,
        size,
        use,
        rng.choice(("OTC 甲类", "请仔细阅读说明书并在医师指导下使用", "处方药")),
        f"国药准字{rng.choice('HZ')}{digits(rng, 8)}",
        f"产品批号 {digits(rng, 6)} 有效期至 {rng.choice((2026, 2027))}.{rng.randint(1, 12):02}",
        f"{rng.choice(CITIES)}{rng.choice(('康达', '同仁', '白云山', '华润'))}制药有限公司",
    ]


def menu(rng: Random) -> list[str]:
    """A menu, or the board above a counter."""
    return [
        rng.choice(("今日推荐", "老杭州面馆", "巷口咖啡馆", "江南春菜单", "早餐")),
        *rng.sample(_DISHES, rng.randint(4, 8)),
        *rng.choice(([], ["另收茶位费每人5元"], ["扫码点餐"])),
    ]


def business_card(rng: Random) -> list[str]:
    """A business card."""
    city = rng.choice(CITIES)
    return [
        f"{city}{rng.choice(_TRADES)}有限公司",
        rng.choice(_NAMES),
        rng.choice(("销售经理", "总经理", "工程师", "客户总监")),
        f"手机 13{digits(rng, 1)} {digits(rng, 4)} {digits(rng, 4)}",
        f"电话 0571-{digits(rng, 8)}",
        f"邮箱 sales{rng.randint(1, 99)}@example.com",
        f"{city}市{rng.choice(_STREETS)}{rng.randint(1, 400)}号",
    ]
