"""The text that the benchmark images are set in: phrases, and what is composed of them.

Every function takes the generator of random numbers it draws from, so a seed fixes the text.
"""

import random
from collections.abc import Callable


def _words(pool: str) -> tuple[str, ...]:
    return tuple(pool.split())


def _phrases(pool: str) -> tuple[str, ...]:
    return tuple(pool.split("|"))


SHOPS = _words(
    "永辉超市 华润万家 盒马鲜生 家乐福便利 老百姓大药房 全家便利店 百果园水果 沃尔玛购物广场 "
    "大润发卖场 晨光文具旗舰店 西湖春天餐厅 海底捞火锅 新华书店 知味观点心 东方红粮油 蜀香小馆"
)
GOODS = _words(
    "纯牛奶250ml 全麦吐司 土鸡蛋10枚 东北大米5kg 西红柿 黄瓜 山东红富士 云南蓝莓 泰国香蕉 猕猴桃 "
    "五花肉 鸡胸肉 三文鱼刺身 基围虾 嫩豆腐 老干妈辣酱 海天生抽 镇江香醋 食用盐 白砂糖 绿茶饮料 "
    "矿泉水550ml 可口可乐 冰红茶 青岛啤酒 酸奶六连杯 速冻水饺 汤圆 方便面 薯片原味 巧克力 牛轧糖 "
    "抽取式纸巾 洗衣液2kg 洗发水 沐浴露 牙膏 软毛牙刷 垃圾袋 保鲜膜 电池5号 中性笔 笔记本A5 "
    "宫保鸡丁 麻婆豆腐 清蒸鲈鱼 酸辣土豆丝 蒜蓉西兰花 米饭 紫菜蛋花汤 小笼包 鲜肉馄饨 桂花糕"
)
CHAT = _phrases(
    "明天几点出发？|我已经到地铁站了|晚上一起吃饭吧|照片拍得真好看|会议改到下午三点|收到，谢谢！|"
    "快递放在门口了|周末去爬山怎么样|文件我发你邮箱了|孩子今天考了98分|路上堵车，晚到十分钟|"
    "这家店的面很好吃|生日快乐！|记得带身份证|机票订好了吗|我在二楼等你|好的，没问题|"
    "帮我带一杯拿铁|电影票买了两张|外面下雨了，带伞|刚开完会，马上回电话|药要饭后半小时吃|"
    "妈妈说周日回家吃饭|这个周报今天能交吗|密码是多少来着|新房子装修完了|猫又把花瓶打碎了|"
    "See you tomorrow!|On my way, 5 min|Let's meet at Gate B12|OK, sounds good|"
    "Did you get the PDF?|Happy New Year!|The deploy finished at 18:40|Call me when you land|"
    "WiFi 密码发我一下|把 PPT 转成 PDF 再发|iPhone 15 多少钱？|Zoom 会议链接在群里"
)
SETTINGS = _phrases(
    "无线局域网|蓝牙|蜂窝网络|个人热点|通知与状态栏|声音与触感|勿扰模式|屏幕使用时间|通用|控制中心|"
    "显示与亮度|墙纸|面容识别与密码|电池|隐私与安全性|存储空间|语言与地区|日期与时间|键盘|账户与同步|"
    "自动更新|开发者选项|备份与恢复|关于手机|字体大小|深色模式|定位服务|家长控制|应用管理|云相册"
)
SETTING_VALUES = _phrases(
    "已开启|已关闭|未连接|简体中文|128 GB|自动|HomeWiFi_5G|87%|版本 14.2.1|仅使用期间|3 个应用|"
    "English (US)|24 小时制|每天 02:00|从不|Bluetooth 5.3"
)
HEADLINES = _phrases(
    "人工智能改变医疗行业|城市轨道交通新线开通|今年粮食产量再创新高|秋季运动会圆满落幕|"
    "新能源汽车出口增长三成|图书馆延长开放时间|国家公园迎来候鸟|高校毕业生就业指南|"
    "How to Back Up Your Photos|The Quiet Return of Film Cameras|Ten Walks Around West Lake|"
    "Open Source in the Classroom|开源相册 Immich 使用体验|Python 3.13 新特性一览"
)
SIGNS = _phrases(
    "小心台阶|禁止吸烟|出口|停车场|请勿入内|人民公园|火车东站|售票处|无障碍通道|安全出口|中山路|"
    "营业中|欢迎光临|洗手间|急诊|注意安全|当心触电|限速40|前方学校|校园超市|兰州拉面|川味火锅|"
    "平价药房|五金建材|鲜花绿植|服务中心|茶叶批发|便民早餐"
)
SIGNS_LATIN = _phrases(
    "EXIT|OPEN|STOP|NO PARKING|TICKETS|COFFEE|WELCOME|PLATFORM 3|TAXI|BAKERY|CAUTION|"
    "MUSEUM|24 HOURS"
)
SIGNS_TRADITIONAL = _phrases(
    "臺北車站|請勿停車|營業時間|國際機場|藥局|港鐵|豐年茶樓|鐘錶維修|禁止進入"
)
SIGNS_JAPANESE = _phrases(
    "東京駅|出口|止まれ|ラーメン|お手洗い|営業中|駐車場|きっぷうりば|居酒屋さくら"
)
PROSE = _phrases(
    "清晨的阳光穿过窗帘，落在书桌的一角|他把旧照片一张张扫描进电脑，按年份整理好|"
    "这条河从北向南流过整座城市，两岸种满了柳树|根据合同第八条，甲方应于每月十日前支付租金|"
    "实验结果表明，新方法的准确率提高了12.5%|本说明书适用于家用空气净化器的安装与维护|"
    "请在使用前仔细阅读安全须知，并妥善保存|会议讨论了下一年度的预算安排和人员分工|"
    "秋天的山谷里，枫叶红得像火一样|老人坐在门前的石凳上，慢慢讲起年轻时的故事|"
    "数据存放在本地服务器，不会上传到任何第三方|如有疑问，请拨打客服热线或发送电子邮件|"
    "火车在夜里十一点离开车站，向西部的高原驶去|孩子们围着操场跑了三圈，脸上都是汗水|"
    "申请人须提交身份证复印件、学历证明和近期照片|水温达到九十五度时加入茶叶，静置三分钟|"
    "研究团队收集了两千三百份问卷，覆盖十六个省市|每逢春节，家家户户都要贴上红色的对联|"
    "该算法先检测文字区域，再逐行识别其中的内容|退货商品须保持包装完好，并附上购物发票"
)
PROSE_TRADITIONAL = _phrases(
    "臺灣的夜市以各式小吃聞名，遊客絡繹不絕|請於報到當日攜帶畢業證書正本及體檢報告|"
    "這間圖書館收藏了許多珍貴的歷史檔案|會員可憑電子郵件登入系統查詢訂單紀錄|"
    "颱風過後，工作人員迅速清理倒塌的樹木|本條例自公布日施行，未盡事宜另行規定|"
    "他從書櫃裡取出一本發黃的舊雜誌，輕輕翻開|車廂內請勿飲食，並禮讓座位給有需要的乘客|"
    "香港的電車已經行駛超過一百年，依然準時|師傅將麵團揉勻後，靜置發酵兩個小時|"
    "學生們參觀了國家歷史博物館，聽導覽員講解|雙方同意以書面方式變更合約內容"
)
PROSE_JAPANESE = _phrases(
    "春になると、川沿いの桜が一斉に咲き始める|本製品を安全にお使いいただくため、説明書をお読みください|"
    "会議は来週の火曜日、午後二時から行います|図書館では静かに過ごしましょう|"
    "新しいカメラで撮った写真をパソコンに保存した|電車が遅れているので、少し待ってください|"
    "お支払いは現金またはクレジットカードをご利用いただけます|この町には古い温泉がたくさん残っている|"
    "データは自動的にバックアップされます|母の作る味噌汁は、いつも優しい味がする|"
    "申込書に必要事項を記入し、窓口に提出してください|山の上から見える夜景はとても美しかった"
)
PROSE_ENGLISH = _phrases(
    "The library keeps every photograph in its original form and never alters it.|"
    "Visitors are kindly asked to leave their bags in the lockers by the entrance.|"
    "In the second experiment, the error rate fell from 8.4% to 3.1%.|"
    "Payment is due within thirty days of the date printed on this invoice.|"
    "She walked along the harbour until the lights of the ferry disappeared.|"
    "A backup that has never been restored is only a hope, not a backup.|"
    "The committee approved the budget for 2025 with two abstentions.|"
    "Store the medicine below 25 degrees and keep it away from children.|"
    "Rain is expected in the north, followed by clear skies on Thursday.|"
    "Each chapter ends with a short list of questions for discussion.|"
    "The old mill was rebuilt in 1893 and now serves as a small museum.|"
    "Turn off the power before you open the cover or replace the filter."
)
CODE = _phrases(
    "import asyncio|from pathlib import Path|def load_config(path: str) -> dict:|"
    "    with open(path) as file:|        return json.load(file)|async def fetch(url, retries=3):|"
    "    for attempt in range(retries):|        response = await client.get(url)|"
    "        if response.status == 200:|            return response.body|"
    "    raise TimeoutError(url)|# 读取配置文件并返回字典|# 重试三次后放弃|class PhotoIndex:|"
    "    def __init__(self, size=512):|        self.items = []|        self.size = size|"
    "    def add(self, name, vector):|        self.items.append((name, vector))|"
    "for index, row in enumerate(rows):|    total += row.amount * 0.85|"
    '    print(f"第 {index} 行完成")|if not result:|    logger.warning("结果为空")|'
    'SELECT id, name FROM assets|WHERE created > "2024-01-01"|ORDER BY created DESC LIMIT 20;|'
    "docker compose up -d|git commit -m 'fix: 修复时区'|export PATH=$HOME/bin:$PATH"
)
CITIES = _words("北京 上海 广州 深圳 杭州 成都 武汉 西安 南京 重庆 苏州 青岛 厦门 长沙 昆明 哈尔滨")
SURNAMES = "王李张刘陈杨赵黄周吴徐孙胡朱高林何郭马罗"
GIVEN = _words("伟 芳 娜 敏 静 建国 丽华 志强 晓明 子涵 雨桐 浩然 欣怡 文博 海燕 国栋 思远 美玲")
DEPARTMENTS = _words("销售部 财务部 研发中心 人事部 市场部 生产一车间 仓储物流 客户服务")
STREETS = _words("中山路 解放大道 人民东路 建设街 长江路 文化巷 和平里 学院路 延安西路 湖滨路")
WORDS_LATIN = _words("photo river cloud maple garden tiger paper silver north orange lumen delta")
LAYOUT_TABLES: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("2024年度销售统计表", ("序号", "部门", "负责人", "数量", "金额(元)", "备注")),
    ("员工考勤记录", ("工号", "姓名", "部门", "日期", "签到")),
    ("库存盘点明细", ("编号", "品名", "单价", "数量", "金额(元)")),
    ("Train Timetable 列车时刻", ("Train", "From", "To", "Depart", "Arrive", "Fare")),
    ("班级成绩登记", ("学号", "姓名", "语文", "数学", "英语", "总分")),
)


def date(rng: random.Random) -> str:
    """Compose a date in one of the ways that dates are printed."""
    year, month, day = rng.randint(2015, 2026), rng.randint(1, 12), rng.randint(1, 28)
    formats = ("{}-{:02}-{:02}", "{}/{:02}/{:02}", "{}年{}月{}日", "{}.{:02}.{:02}")
    return rng.choice(formats).format(year, month, day)


def clock(rng: random.Random) -> str:
    """Compose a time of day, to the minute."""
    return f"{rng.randint(0, 23):02}:{rng.randint(0, 59):02}"


def digits(rng: random.Random, count: int) -> str:
    """Draw that many random digits, the first of them not 0."""
    return str(rng.randint(1, 9)) + "".join(rng.choices("0123456789", k=count - 1))


def amount(rng: random.Random, most: int = 200) -> str:
    """Compose an amount of money, with two decimals."""
    return f"{rng.randint(1, most)}.{rng.randint(0, 99):02}"


def phone(rng: random.Random) -> str:
    """Compose a telephone number of a mobile or a landline."""
    return rng.choice((f"1{digits(rng, 10)}", f"0571-{digits(rng, 8)}", f"400-{digits(rng, 7)}"))


def person(rng: random.Random) -> str:
    """Compose a Chinese name."""
    return rng.choice(SURNAMES) + rng.choice(GIVEN)


def address(rng: random.Random) -> str:
    """Compose a street address in a Chinese city."""
    return f"{rng.choice(CITIES)}市{rng.choice(STREETS)}{rng.randint(1, 999)}号"


def plate(rng: random.Random) -> str:
    """Compose a Chinese number plate."""
    tail = "".join(rng.choices("ABCDEFGHJKLMNPQRSTUVWXYZ0123456789", k=5))
    return f"{rng.choice('京沪粤浙苏川鄂陕')}{rng.choice('ABCDE')}·{tail}"


def email(rng: random.Random) -> str:
    """Compose an e-mail address."""
    first, second = rng.sample(WORDS_LATIN, 2)
    return f"{first}.{second}{rng.randint(1, 99)}@example.{rng.choice(('com', 'org', 'cn'))}"


def web_address(rng: random.Random) -> str:
    """Compose the address of a web page."""
    first, second = rng.sample(WORDS_LATIN, 2)
    return f"https://www.{first}.example/{second}/{rng.randint(100, 9999)}"


def contact(rng: random.Random) -> str:
    """Compose a line that says how to reach somebody."""
    return rng.choice(
        (
            f"联系电话：{phone(rng)}",
            f"E-mail: {email(rng)}",
            web_address(rng),
            f"联系人：{person(rng)}  {date(rng)}",
            f"地址：{address(rng)}",
            f"编号 {digits(rng, 12)}",
        )
    )


def paragraph(rng: random.Random, face: str, sentences: int) -> str:
    """Compose running text in the language of a face of the font: "SC", "TC", "JP" or "EN"."""
    pools = {"SC": PROSE, "TC": PROSE_TRADITIONAL, "JP": PROSE_JAPANESE, "EN": PROSE_ENGLISH}
    chosen = rng.sample(pools[face], sentences)
    return " ".join(chosen) if face == "EN" else "".join(f"{sentence}。" for sentence in chosen)


def table_cell(rng: random.Random, heading: str, row: int) -> str:
    """Compose what stands under a heading of `LAYOUT_TABLES` in a row."""
    if heading == "序号":
        return str(row + 1)
    if heading in {"语文", "数学", "英语"}:
        return str(rng.randint(51, 100))
    makers: dict[str, Callable[[], str]] = {
        "部门": lambda: rng.choice(DEPARTMENTS),
        "负责人": lambda: person(rng),
        "姓名": lambda: person(rng),
        "数量": lambda: str(rng.randint(10, 9999)),
        "金额(元)": lambda: amount(rng, 90000),
        "备注": lambda: rng.choice(("已审核", "待补充", "正常", "含税", "退货两件")),
        "日期": lambda: date(rng),
        "签到": lambda: clock(rng),
        "品名": lambda: rng.choice(GOODS),
        "单价": lambda: amount(rng, 500),
        "总分": lambda: str(rng.randint(180, 299)),
        "Train": lambda: rng.choice("GDKZ") + digits(rng, 4),
        "From": lambda: rng.choice(CITIES),
        "To": lambda: rng.choice(CITIES),
        "Depart": lambda: clock(rng),
        "Arrive": lambda: clock(rng),
        "Fare": lambda: f"¥{amount(rng, 900)}",
    }
    return makers.get(heading, lambda: digits(rng, 8))()
