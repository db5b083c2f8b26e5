// What the page says, in two languages. A word that is a function gets what it names.
const en = {
  skip: "Skip to buying", picture: "A low running shoe in vermilion and bone, seen from the side",
  stamp: "1,000 pairs. Once.", name: "Meridian 42",
  lead: "A running shoe cut from one piece, sewn in one town, sold in one moment.",
  price: "$129", limit: "At most two a person", hours: "hours", minutes: "minutes", seconds: "seconds",
  loading: "Looking at the clock", opens_in: "Opens in", open: "Open now", sold_out: "Sold out", ended: "The sale is over",
  paused: "Paused for a moment", unreachable: "The shop cannot be reached; trying again",
  stock_plenty: "Plenty left", stock_low: "Only a few left", stock_sold_out: "None left; a cancelled pair may return",
  wait: "Not open yet", buy: "Buy now", asking: "Asking for your pair", try_again: "Try again",
  note_wait: "The button wakes by itself. No need to reload.",
  note_open: "", note_asking: "Keep this page open, or reload it: your place is kept.",
  note_again: (seconds) => `Very busy. Asking again in ${seconds} s; you need not do anything.`,
  note_sold_out: "All pairs have a buyer. If one is cancelled, this button wakes again.",
  note_limit: "You already hold as many as one person may.",
  note_ended: "Thank you for coming.", note_paused: "Selling stopped for a moment. Your click is not lost.",
  note_failed: (why) => `That did not work: ${why}`, note_unauthorized: "Your purchase token ran out. Reload to get a new one.",
  won: "It's yours", won_text: "One pair of Meridian 42 is held for you.",
  pending: "Almost there", pending_text: "You have a pair; it is being written down. This takes a moment.",
  paid: "Paid. Thank you", paid_text: "Your pair is on its way, in this story at least.",
  cancelled: "Cancelled", cancelled_text: "The pair goes back on sale for somebody else.",
  expired: "The hold ran out", expired_text: "The pair was not paid in time and goes back on sale.",
  dead: "We must look into this", dead_text: "Your order could not be written down. Please contact the shop with its number.",
  number: "Order", hold: "Yours until paid, for", pay: "Pay $129", paying: "Paying", cancel: "Cancel", cancelling: "Cancelling",
  again: "Buy another", facts_title: "How this sale decides",
  fact1_head: "One clock.", fact1: "The countdown shows the shop's clock, not your device's. Early clicks win nothing.",
  fact2_head: "One purchase a click.", fact2: "Reload, tap twice, lose your connection: it stays the same order.",
  fact3_head: "Yours for a while.", fact3: "A won pair is held for you until you pay; what is not paid goes back on sale.",
  server_time: "Shop's clock", skew: (seconds) => `(your device is ${seconds} s off)`,
  demo: "A demonstration: nothing is charged and nothing is shipped.",
  spoken_left: (minutes) => `Opens in ${minutes} minutes`, spoken_soon: "Opens in ten seconds", spoken_open: "Open. You can buy now.",
};

const zh = {
  skip: "跳到购买", picture: "一双朱红与米白相间的低帮跑鞋，侧面图",
  stamp: "一千双，仅此一次", name: "子午线 42",
  lead: "一片裁成，一镇缝制，一刻开售。",
  price: "¥899", limit: "每人限购两双", hours: "时", minutes: "分", seconds: "秒",
  loading: "正在对时", opens_in: "距离开售", open: "正在热卖", sold_out: "已售罄", ended: "活动已结束",
  paused: "暂停片刻", unreachable: "暂时连不上商店，正在重试",
  stock_plenty: "库存充足", stock_low: "所剩无几", stock_sold_out: "暂无库存；若有人取消，会重新放出",
  wait: "尚未开售", buy: "立即抢购", asking: "正在为您抢购", try_again: "再试一次",
  note_wait: "到点按钮会自动亮起，无需刷新。",
  note_open: "", note_asking: "请停留在本页；即使刷新，您的请求也不会丢失。",
  note_again: (seconds) => `人太多了，${seconds} 秒后自动重试，您无需操作。`,
  note_sold_out: "全部售出。若有人取消，按钮会再次亮起。",
  note_limit: "您已达到每人限购数量。",
  note_ended: "感谢您的光临。", note_paused: "暂停销售片刻，您的点击不会丢失。",
  note_failed: (why) => `未能成功：${why}`, note_unauthorized: "购买凭证已过期，请刷新页面重新获取。",
  won: "抢到了", won_text: "已为您保留一双子午线 42。",
  pending: "马上就好", pending_text: "您已抢到，订单正在入库，请稍候。",
  paid: "支付成功，谢谢", paid_text: "您的鞋已在路上（至少在这个故事里）。",
  cancelled: "已取消", cancelled_text: "这双鞋会重新放出，留给别人。",
  expired: "保留时间已到", expired_text: "未在时限内支付，这双鞋已重新放出。",
  dead: "需要人工处理", dead_text: "您的订单未能入库，请凭订单号联系商店。",
  number: "订单号", hold: "请在此时间内支付", pay: "支付 ¥899", paying: "支付中", cancel: "取消", cancelling: "取消中",
  again: "再买一双", facts_title: "这场抢购如何判定",
  fact1_head: "同一时钟。", fact1: "倒计时以商店的时钟为准，与您设备的时间无关；早点也没有用。",
  fact2_head: "一次点击，一次购买。", fact2: "刷新、连点、断网，都还是同一笔订单。",
  fact3_head: "限时保留。", fact3: "抢到后为您保留至支付；逾期未付的会重新放出。",
  server_time: "商店时间", skew: (seconds) => `（您的设备相差 ${seconds} 秒）`,
  demo: "这是演示：不会扣款，也不会发货。",
  spoken_left: (minutes) => `距离开售还有 ${minutes} 分钟`, spoken_soon: "十秒后开售", spoken_open: "开售了，可以购买。",
};

const tables = { en, zh };
let language = (localStorage.getItem("language") || navigator.language || "en").startsWith("zh") ? "zh" : "en";

export function word(name, value) {
  const found = tables[language][name];
  return typeof found === "function" ? found(value) : found;
}

// Writes the language's words into every element that names one.
export function applyWords() {
  document.documentElement.lang = language === "zh" ? "zh-Hans" : "en";
  for (const element of document.querySelectorAll("[data-word]")) element.textContent = word(element.dataset.word);
  const button = document.getElementById("language");
  button.textContent = language === "zh" ? "English" : "中文";
  button.lang = language === "zh" ? "en" : "zh-Hans";
}

export function switchLanguage() {
  language = language === "zh" ? "en" : "zh";
  localStorage.setItem("language", language);
  applyWords();
}
