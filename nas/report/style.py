"""The style sheet of the page: light, dark, narrow screens and print; no font is loaded."""

from __future__ import annotations

__all__ = ["STYLE"]

_LIGHT = (
    "--paper:#fff;--panel:#f6f7f9;--ink:#1a1d21;--soft:#545b66;--rule:#d9dde3;--grid:#e6e9ee;"
    "--good:#0a67b1;--bad:#7b828c;--mark:#c2410c;--front:#0a67b1;--limit:#b3123c;--band:#cfe3f5;"
    "--second:#a15c00;--shade:#0002"
)
_DARK = (
    "--paper:#14171b;--panel:#1c2026;--ink:#e8eaed;--soft:#a6adb8;--rule:#363c45;--grid:#272c33;"
    "--good:#5fb0f2;--bad:#868e99;--mark:#ff9a5c;--front:#5fb0f2;--limit:#ff7595;--band:#1f3a52;"
    "--second:#f0b357;--shade:#000a"
)

_PAGE = """
:root{color-scheme:light dark;LIGHT}
@media (prefers-color-scheme:dark){:root{DARK}}
*{box-sizing:border-box}
html{-webkit-text-size-adjust:100%;text-size-adjust:100%}
body{margin:0 auto;padding:2rem 1.25rem 4rem;max-width:70rem;background:var(--paper);
color:var(--ink);font:1rem/1.55 system-ui,-apple-system,"Segoe UI",Roboto,"Noto Sans",
"Helvetica Neue",Arial,sans-serif;overflow-wrap:break-word}
h1{font-size:1.75rem;line-height:1.2;margin:0 0 .25rem;letter-spacing:-.01em}
h2{font-size:1.3rem;line-height:1.3;margin:3rem 0 .75rem;padding-top:.75rem;
border-top:1px solid var(--rule)}
h3{font-size:1.05rem;margin:1.75rem 0 .5rem}
p{margin:.5rem 0;max-width:46rem}
nav{display:flex;flex-wrap:wrap;gap:.25rem 1.1rem;margin:1.25rem 0 0;font-size:.9rem}
nav a{color:var(--good);text-decoration:none}
nav a:hover{text-decoration:underline}
code{font:.88em ui-monospace,SFMono-Regular,Menlo,Consolas,"DejaVu Sans Mono",monospace;
background:var(--panel);padding:.1em .35em;border-radius:.25em}
.soft,figcaption,footer{color:var(--soft);font-size:.9rem}
.missing{background:var(--panel);border-left:3px solid var(--second);padding:.7rem 1rem}
.missing code{display:inline-block;max-width:100%;overflow-x:auto;white-space:nowrap;
vertical-align:bottom}
.tiles{display:grid;grid-template-columns:repeat(auto-fit,minmax(9.5rem,1fr));gap:.75rem;
margin:1.25rem 0}
.tile{background:var(--panel);border-radius:.5rem;padding:.8rem 1rem}
.tile b{display:block;font-size:1.3rem;line-height:1.3;font-variant-numeric:tabular-nums}
.tile span{color:var(--soft);font-size:.85rem}
.scroll{overflow-x:auto;margin:.75rem 0;background:linear-gradient(to right,var(--paper) 40%,
transparent) left/2.5rem 100% no-repeat local,linear-gradient(to left,var(--paper) 40%,transparent)
right/2.5rem 100% no-repeat local,linear-gradient(to right,var(--shade),transparent) left/.7rem
100% no-repeat scroll,linear-gradient(to left,var(--shade),transparent) right/.7rem 100% no-repeat
scroll}
table{border-collapse:collapse;font-size:.92rem;font-variant-numeric:tabular-nums;
min-width:min(100%,34rem)}
th,td{padding:.4rem .75rem .4rem 0;text-align:left;vertical-align:top;
border-bottom:1px solid var(--rule)}
th{color:var(--soft);font-weight:600;font-size:.83rem;line-height:1.3;vertical-align:bottom}
.number{text-align:right;white-space:nowrap}
th.number{white-space:normal}
.nobr{white-space:nowrap}
.figures{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,25rem),1fr));
gap:1.5rem 2rem;margin:1rem 0}
figure{margin:0;min-width:0}
figcaption{margin-top:.4rem;max-width:34rem}
details{margin:.6rem 0}
summary{cursor:pointer;padding:.35rem 0;font-weight:600}
pre{background:var(--panel);border-radius:.5rem;padding:1rem;overflow-x:auto;font:.82rem/1.5
ui-monospace,SFMono-Regular,Menlo,Consolas,"DejaVu Sans Mono",monospace}
.blocks{display:grid;
grid-template-columns:minmax(0,1fr) repeat(var(--costs,2),minmax(3rem,9rem) auto);
gap:.3rem .8rem;align-items:center;font-size:.88rem;
font-variant-numeric:tabular-nums;margin:.5rem 0 1.5rem}
.blocks .head{color:var(--soft);font-weight:600;font-size:.83rem}
.blocks .value{text-align:right;white-space:nowrap}
.blocks .what small{display:block;color:var(--soft);font-size:.82rem;line-height:1.35}
.blocks.one{grid-template-columns:minmax(0,1fr) minmax(5rem,12rem) auto}
footer{margin-top:3rem;border-top:1px solid var(--rule);padding-top:1rem}
"""

_CHARTS = """
svg.plot{display:block;width:100%;height:auto;max-width:36rem}
svg.bar{display:block;width:100%;height:.7rem}
svg text{font-family:inherit;fill:var(--soft)}
.tick{font-size:12px}.label{font-size:12.5px}
ul.legend{list-style:none;display:flex;flex-wrap:wrap;gap:.1rem .8rem;margin:.3rem 0 0;padding:0;
color:var(--soft);font-size:.85rem;max-width:36rem;justify-content:center}
ul.legend li{display:flex;align-items:center;gap:.4rem;white-space:nowrap}
svg.sample{width:18px;height:12px;overflow:visible}
.end{text-anchor:end}.middle{text-anchor:middle}
svg text.name{font-size:12.5px;font-weight:700;fill:var(--mark);paint-order:stroke;
stroke:var(--paper);stroke-width:3px}
.grid{stroke:var(--grid);fill:none}
.axis{stroke:var(--soft);fill:none}
.dot.good{fill:var(--good);fill-opacity:.5}
.dot.bad{fill:none;stroke:var(--bad);stroke-opacity:.75}
.dot.faint{fill:var(--good);fill-opacity:.3}
.dot:hover,.diamond:hover{stroke:var(--ink);stroke-width:2;fill-opacity:1}
.diamond.mark{fill:var(--mark);stroke:var(--paper);stroke-width:1.2}
.line{fill:none;stroke-width:2;stroke-linejoin:round}
.line.front{stroke:var(--front)}
.line.faint{stroke:var(--good);stroke-opacity:.35;stroke-width:1}
.line.second{stroke:var(--second)}.line.third{stroke:var(--limit)}.line.fourth{stroke:var(--soft)}
.line.limit{stroke:var(--limit);stroke-dasharray:6 4}
.line.diagonal{stroke:var(--soft);stroke-width:1.2}
.area.band{fill:var(--band)}
rect.track{fill:var(--panel)}
ul.legend.narrow{display:none}
rect.first{fill:var(--good)}
rect.other{fill:var(--second)}
"""

_NARROW = """
@media (max-width:40rem){
.tick{font-size:14.5px}.label,svg text.name{font-size:15px}
body{padding:1.25rem 1rem 3rem}
h1{font-size:1.45rem}
h2{margin-top:2.25rem}
.tiles{grid-template-columns:1fr 1fr}
.tile b{font-size:1.1rem}
th,td{padding-right:.6rem}
.blocks,.blocks.one{grid-template-columns:minmax(0,1fr) auto}
.blocks .what{grid-column:1/-1;margin-top:.5rem}
.blocks .head{display:none}
ul.legend.narrow{display:flex;justify-content:flex-start}
}
@media print{
:root{LIGHT;color-scheme:light;print-color-adjust:exact;-webkit-print-color-adjust:exact}
html{font-size:11px}
body{max-width:none;padding:0}
.figures{grid-template-columns:1fr 1fr}
th,td{padding-right:.5rem}
nav{display:none}
figure,tr,.tile{break-inside:avoid}
h2,h3{break-after:avoid}
.scroll{overflow:visible}
details::details-content{content-visibility:visible;block-size:auto}
pre{white-space:pre-wrap}
}
"""

STYLE = (_PAGE + _CHARTS + _NARROW).replace("LIGHT", _LIGHT).replace("DARK", _DARK)
"""The whole style sheet, to be put inline."""
