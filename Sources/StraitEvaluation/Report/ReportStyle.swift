// SPDX-License-Identifier: Apache-2.0

internal import StraitCore

/// How the report looks, in light and in dark.
enum ReportStyle {
    /// The class of a policy's marks. Few rivals have a colour, of Okabe's and Ito's palette, which the colour-blind
    /// tell apart; the others are grey and told apart by their names.
    static func of(_ variant: String) -> String {
        if variant.hasPrefix(PolicyName.strait.rawValue) { return "k0" }
        return coloured.firstIndex(of: variant).map { "k\($0 + 1)" } ?? plain
    }

    /// The class of marks without a colour.
    static let plain = "kg"

    /// The rivals that have a colour, and that figures with room for few show.
    static let coloured = ["edf-priority-ewma-gate", "preempt-level1", "triton", "oracle", "edf-priority"]

    /// Of charts, for the page and for each file.
    static let charts = """
        :root{--paper:#fff;--ink:#1d2228;--soft:#59636e;--grid:#e3e6ea;--band:#e8f3ec;--k0:#0072b2;--k1:#c04a00;\
        --k2:#a83f84;--k3:#00785a;--k4:#111;--k5:#8a6500;--kg:#8b939c;--good:#00785a;--bad:#c8102e;--low:#9fb3c8}
        @media (prefers-color-scheme:dark){:root{--paper:#14181d;--ink:#e6e9ed;--soft:#a4adb7;--grid:#2c333b;--band:#1b2f26;\
        --k0:#56b4e9;--k1:#ff9d4d;--k2:#e49ac4;--k3:#2fc79d;--k4:#f4f4f4;--k5:#e0c040;--kg:#7b858f;--good:#2fc79d;--bad:#ff6b6b;\
        --low:#4d6379}}
        .paper{fill:var(--paper)}.cut{stroke:var(--paper);stroke-width:3}
        .t,.n,.s,.h,.name{font-family:system-ui,-apple-system,"Segoe UI",Roboto,"DejaVu Sans",sans-serif;font-size:10.5px;\
        fill:var(--ink)}
        .n{fill:var(--soft)}.s{font-size:12px;font-weight:600}.h{font-size:15px;font-weight:700}
        .g{stroke:var(--grid);stroke-width:1}.a{stroke:var(--soft);stroke-width:1}
        .guide{stroke:var(--soft);stroke-width:1;stroke-dasharray:4 3}
        .band{fill:var(--band)}
        .k0{--k:var(--k0)}.k1{--k:var(--k1)}.k2{--k:var(--k2)}.k3{--k:var(--k3)}.k4{--k:var(--k4)}.k5{--k:var(--k5)}\
        .kg{--k:var(--kg)}
        .l{fill:none;stroke:var(--k);stroke-width:1.4;stroke-linejoin:round}.ours{stroke-width:3}
        .i{stroke:var(--k);stroke-width:1;opacity:.75}.e{stroke:var(--ink);stroke-width:1}
        .p{fill:var(--k)}.bar{fill:var(--k);opacity:.8}.name{fill:var(--k)}.kg.name{fill:var(--soft)}.bold{font-weight:700}
        .lead{fill:none;stroke:var(--k);stroke-width:.7;opacity:.6}
        .high{fill:var(--k0)}.low{fill:var(--low)}.copy{fill:var(--k5)}.missed{stroke:var(--bad);stroke-width:1.2}
        .zone{fill:var(--k);opacity:.16}
        .heat0,.heat1,.heat2,.heat3,.heat4,.heat5,.heat6,.heat7{fill:var(--k1)}.heat0{fill:var(--grid);fill-opacity:.45}\
        .heat1{fill-opacity:.08}.heat2{fill-opacity:.16}.heat3{fill-opacity:.24}.heat4{fill-opacity:.32}\
        .heat5{fill-opacity:.4}.heat6{fill-opacity:.48}.heat7{fill-opacity:.56}
        .late{fill:var(--bad)}.lane{fill:var(--grid);opacity:.45}.met{stroke:var(--good);stroke-width:1}

        """

    /// Of the page around them.
    static let page = """
        body{margin:0;background:var(--paper);color:var(--ink);font:15px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,\
        "DejaVu Sans",sans-serif}
        main{max-width:1160px;margin:0 auto;padding:14px}
        h1{font-size:24px;line-height:1.25;margin:8px 0}h2{font-size:18px;line-height:1.3;margin:34px 0 4px}
        h3{font-size:14px;margin:18px 0 4px}
        p,figcaption{max-width:76ch;margin:4px 0 8px;color:var(--soft)}figure{margin:0}
        .panels{display:flex;max-width:770px;flex-wrap:wrap;gap:10px 14px;align-items:flex-start}
        .panel svg{display:block;max-width:100%;height:auto}.wide,.scroll{overflow-x:auto;max-width:100%}
        table{border-collapse:collapse;font-size:13px;margin:6px 0}
        th,td{padding:3px 9px;border-bottom:1px solid var(--grid);text-align:left;vertical-align:top}
        td.r,th.r{text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap}
        tr.own td{font-weight:700}.verdict-met{color:var(--good)}.verdict-missed{color:var(--bad);font-weight:700}
        .verdict-undecided,.verdict-unmeasured,.verdict-shown{color:var(--soft)}
        code{font-size:13px;overflow-wrap:anywhere}dl{display:grid;grid-template-columns:max-content 1fr;gap:2px 12px;margin:8px 0}
        dt{color:var(--soft)}dd{margin:0;overflow-wrap:anywhere}nav{columns:2;font-size:14px}nav a{display:block;color:var(--k0)}
        @media (max-width:600px){nav{columns:1}td,th{white-space:nowrap}.cards thead{display:none}\
        .cards,.cards tbody,.cards tr,.cards td{display:block;white-space:normal}.cards tr{padding:6px 0;\
        border-bottom:1px solid var(--grid)}.cards td,.cards td.r{border:0;padding:1px 0;text-align:left}.cards td:empty{display:none}\
        .cards td.r::before{content:attr(data-name) ": ";color:var(--soft)}}

        """
}
