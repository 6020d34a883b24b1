//! Colours and fonts of the map, for light and dark; text stays above a contrast of 4.5 : 1 in both.

use crate::quests::model::DifficultyLevel;

/// The document's style sheet.
pub const CSS: &str = "\
svg{--page:#f8fafc;--band:#ffffff;--band2:#f1f5f9;--line:#cbd5e1;--card:#ffffff;--quiet:#eef2f7;--ink:#0f172a;\
--soft:#475569;--edge:#5b6b82;--criterion:#0f172a;--against:#c2410c;--done:#15803d;--now:#a34a06;--lost:#b91c1c;\
--b:#0f766e;--bc:#ccfbf1;--bt:#115e59;--i:#2563eb;--ic:#dbeafe;--it:#1e40af;--a:#7e22ce;--ac:#f3e8ff;--at:#6b21a8;\
--e:#be123c;--ec:#ffe4e6;--et:#9f1239;--doneCard:#f0fdf4;--track:#e2e8f0;--on:#ffffff;color-scheme:light dark;\
font-family:Inter,'Segoe UI',Roboto,'Helvetica Neue',Arial,'Liberation Sans','Noto Sans','Noto Sans CJK SC',sans-serif}\n\
@media(prefers-color-scheme:dark){svg{--page:#0b1120;--band:#111a2e;--band2:#0d1526;--line:#2b3a55;--card:#1b2740;\
--quiet:#141e33;--ink:#f1f5f9;--soft:#a9b6ca;--edge:#8495b0;--criterion:#f1f5f9;--against:#fb923c;--done:#4ade80;\
--now:#fbbf24;--lost:#f87171;--b:#2dd4bf;--bc:#134e4a;--bt:#99f6e4;--i:#60a5fa;--ic:#1e3a8a;--it:#bfdbfe;--a:#c084fc;\
--ac:#4c1d78;--at:#e9d5ff;--e:#fb7185;--ec:#5f1428;--et:#fecdd3;--doneCard:#12291f;--track:#33435f;--on:#0b1120}}\n\
text{fill:var(--ink)}.name{font-size:26px;font-weight:700}.sub{font-size:14px;fill:var(--soft)}\
.lane{font-size:15px;font-weight:700}.note{font-size:12px;fill:var(--soft)}.t{font-size:13px;font-weight:600}\
.chip{font-size:10.5px;font-weight:600}.xp{font-size:11px;font-weight:600;fill:var(--soft)}\
.pc{font-size:11px;font-weight:700;fill:var(--now)}.q .t{fill:var(--soft)}\
.band{fill:var(--band)}.band2{fill:var(--band2)}.frame{fill:none;stroke:var(--line)}.sep{stroke:var(--line);fill:none}\
.card{fill:var(--card);stroke-width:1.5}.q .card{fill:var(--quiet)}.d .card{fill:var(--doneCard)}\
.o .card{stroke-dasharray:6 4}.track{fill:var(--track)}.bar{fill:var(--now)}.bar.d{fill:var(--done)}\
.B .card,.B .stripe{stroke:var(--b)}.B .tag{fill:var(--bc)}.B .chip{fill:var(--bt)}.B .stripe{fill:var(--b)}\
.I .card,.I .stripe{stroke:var(--i)}.I .tag{fill:var(--ic)}.I .chip{fill:var(--it)}.I .stripe{fill:var(--i)}\
.A .card,.A .stripe{stroke:var(--a)}.A .tag{fill:var(--ac)}.A .chip{fill:var(--at)}.A .stripe{fill:var(--a)}\
.E .card,.E .stripe{stroke:var(--e)}.E .tag{fill:var(--ec)}.E .chip{fill:var(--et)}.E .stripe{fill:var(--e)}\
.stripe{stroke-width:1.5}\
.edge path{fill:none;stroke:var(--edge);stroke-width:1.75;stroke-linejoin:round}\
.edge .halo{stroke:var(--band);stroke-width:6;opacity:.9}\
.edge .g{stroke:var(--done)}\
.edge .c{stroke:var(--criterion);stroke-dasharray:2 4;stroke-linecap:round}.edge .x{stroke:var(--against);stroke-dasharray:9 4}\
.edge g:hover path:not(.halo){stroke:var(--ink);stroke-width:3.5}\
.h{fill:var(--edge)}.hc{fill:var(--criterion)}.hx{fill:var(--against)}.hg{fill:var(--done)}\
.m{fill:none;stroke-width:2;stroke-linecap:round;stroke-linejoin:round}.mi{stroke:var(--on)}\
.fd{fill:var(--done)}.fl{fill:var(--lost)}.sn{stroke:var(--now)}.fn{fill:var(--now)}\
.ss{stroke:var(--soft)}.fs{fill:var(--soft)}.sb{stroke:var(--ink)}";

/// Class of a difficulty in the style sheet.
pub fn class(level: DifficultyLevel) -> &'static str {
    match level {
        DifficultyLevel::Beginner => "B",
        DifficultyLevel::Intermediate => "I",
        DifficultyLevel::Advanced => "A",
        DifficultyLevel::Expert => "E",
    }
}

/// Name of a difficulty on its chip.
pub fn label(level: DifficultyLevel) -> &'static str {
    match level {
        DifficultyLevel::Beginner => "Beginner",
        DifficultyLevel::Intermediate => "Intermediate",
        DifficultyLevel::Advanced => "Advanced",
        DifficultyLevel::Expert => "Expert",
    }
}
