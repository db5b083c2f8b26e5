// What the page says, in two languages. A word that is a function gets what it names. What the sale itself says, its
// name, price and bounds, comes from its public state.
import { Memory } from "/assets/memory.js";

const en = {
  skip: "Skip to buying", picture: "A low running shoe in vermilion and bone, seen from the side",
  title: (name) => `${name} - one opening for everybody`, stamp: (pairs) => `${pairs === "1" ? "1 pair" : `${pairs} pairs`}. Once.`,
  lead: "A running shoe cut from one piece, sewn in one town, sold in one moment.",
  limit: (pairs) => `At most ${pairs} a person`, hours: "hours", minutes: "minutes", seconds: "seconds",
  loading: "Looking at the clock", opens_in: "Opens in", open: "Open now", sold_out: "Sold out", ended: "The sale is over",
  missing: "There is no such sale", note_missing: "The address may be mistyped, or the sale is not announced yet.",
  paused: "Paused for a moment", unreachable: "The shop cannot be reached; trying again",
  stock_plenty: "Plenty left", stock_low: "Only a few left", stock_sold_out: "None left; a cancelled pair may return",
  wait: "Not open yet", buy: "Buy now", asking: "Asking for your pair",
  note_wait: "The button wakes by itself. No need to reload.",
  note_gone: "The shop has no such order. Nothing was bought.", note_asking: "Keep this page open, or reload it: your place is kept.",
  note_again: (seconds) => `Very busy. Asking again in ${seconds} s; you need not do anything.`,
  note_sold_out: "All pairs have a buyer. If one is cancelled, this button wakes again.",
  note_limit: "You already hold as many as one person may.",
  note_ended: "Thank you for coming.", note_paused: "Selling stopped for a moment. Your click is not lost.",
  note_failed: (why) => `That did not work: ${why}`, note_unauthorized: "The shop does not accept this page's purchase token. Nothing was bought.",
  won: "It's yours", won_text: (name) => `One pair of ${name} is held for you.`,
  pending: "Almost there", pending_text: "You have a pair; it is being written down. This takes a moment.",
  paid: "Paid. Thank you", paid_text: "Your pair is on its way, in this story at least.",
  cancelled: "Cancelled", cancelled_text: "The pair goes back on sale for somebody else.",
  expired: "The hold ran out", expired_text: "The pair was not paid in time and goes back on sale.",
  dead: "We must look into this", dead_text: "Your order could not be written down. Please contact the shop with its number.",
  stranded: "This page may no longer ask",
  stranded_text: "Its purchase token is not accepted any more. If a pair was won, the shop has it under this number. Ask there before you buy another.",
  number: "Order", hold: "Yours until paid, for", pay: (price) => `Pay ${price}`.trim(), cancel: "Cancel",
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
  title: (name) => `${name} - 同一时刻，人人平等`, stamp: (pairs) => `${pairs} 双，仅此一次`,
  lead: "一片裁成，一镇缝制，一刻开售。",
  limit: (pairs) => `每人限购 ${pairs} 双`, hours: "时", minutes: "分", seconds: "秒",
  loading: "正在对时", opens_in: "距离开售", open: "正在热卖", sold_out: "已售罄", ended: "活动已结束",
  missing: "没有这场活动", note_missing: "网址可能有误，或活动尚未公布。",
  paused: "暂停片刻", unreachable: "暂时连不上商店，正在重试",
  stock_plenty: "库存充足", stock_low: "所剩无几", stock_sold_out: "暂无库存；若有人取消，会重新放出",
  wait: "尚未开售", buy: "立即抢购", asking: "正在为您抢购",
  note_wait: "到点按钮会自动亮起，无需刷新。",
  note_gone: "商店没有这笔订单，未购买任何商品。", note_asking: "请停留在本页；即使刷新，您的请求也不会丢失。",
  note_again: (seconds) => `人太多了，${seconds} 秒后自动重试，您无需操作。`,
  note_sold_out: "全部售出。若有人取消，按钮会再次亮起。",
  note_limit: "您已达到每人限购数量。",
  note_ended: "感谢您的光临。", note_paused: "暂停销售片刻，您的点击不会丢失。",
  note_failed: (why) => `未能成功：${why}`, note_unauthorized: "商店不接受本页的购买凭证，未购买任何商品。",
  won: "抢到了", won_text: (name) => `已为您保留一双${name}。`,
  pending: "马上就好", pending_text: "您已抢到，订单正在入库，请稍候。",
  paid: "支付成功，谢谢", paid_text: "您的鞋已在路上（至少在这个故事里）。",
  cancelled: "已取消", cancelled_text: "这双鞋会重新放出，留给别人。",
  expired: "保留时间已到", expired_text: "未在时限内支付，这双鞋已重新放出。",
  dead: "需要人工处理", dead_text: "您的订单未能入库，请凭订单号联系商店。",
  stranded: "本页无法继续查询", stranded_text: "购买凭证已失效。如已抢到，商店以此号码保留订单；再次购买前请先联系商店。",
  number: "订单号", hold: "请在此时间内支付", pay: (price) => `支付 ${price}`.trim(), cancel: "取消",
  again: "再买一双", facts_title: "这场抢购如何判定",
  fact1_head: "同一时钟。", fact1: "倒计时以商店的时钟为准，与您设备的时间无关；早点也没有用。",
  fact2_head: "一次点击，一次购买。", fact2: "刷新、连点、断网，都还是同一笔订单。",
  fact3_head: "限时保留。", fact3: "抢到后为您保留至支付；逾期未付的会重新放出。",
  server_time: "商店时间", skew: (seconds) => `（您的设备相差 ${seconds} 秒）`,
  demo: "这是演示：不会扣款，也不会发货。",
  spoken_left: (minutes) => `距离开售还有 ${minutes} 分钟`, spoken_soon: "十秒后开售", spoken_open: "开售了，可以购买。",
};

const tables = { en, zh };
const memory = new Memory("flashsale:");
let language = String(memory.get("language") || navigator.language || "en").startsWith("zh") ? "zh" : "en";

// What the sale says in each language, or in one for all.
export function inLanguage(told) { return String((typeof told === "object" && told ? told[language] ?? told.en : told) ?? ""); }

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
  memory.set("language", language);
  applyWords();
}
