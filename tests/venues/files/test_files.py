import gzip
import re
import shutil
from decimal import Decimal
from itertools import groupby, pairwise

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from builders.candle_files import CLEAN, FIRST_MS, HEADER, STEP_MS, a_file, a_row, rows
from builders.markets import at, recorded
from domain.candle import Timeframe
from domain.errors import MarketDataError, UsageError
from venues.files.market import FileMarket
from venues.files.rows import Unreadable, rows_of
from venues.files.spacing import Spacing


def with_row(row: str) -> str:
    """A good file with one more row at line 4."""
    return "\n".join([HEADER, a_row(0), a_row(1), row, a_row(3), a_row(4)]) + "\n"


def problem_of(folder, text, **options) -> str:
    path = a_file(folder, text, **options)
    with pytest.raises(MarketDataError) as caught:
        FileMarket.open(path)
    return caught.value.message.replace(str(path), "FILE")


@pytest.mark.parametrize(
    ("row", "problem"),
    [
        (a_row(2, prices="100,99,101,100"), "high 99 is below low 101"),
        (a_row(2, prices="102,101,99,100"), "open 102 is outside of low 99 to high 101"),
        (a_row(2, prices="100,101,99,98"), "close 98 is outside of low 99 to high 101"),
        (a_row(2, prices="0,101,0,100"), "a price is zero"),
        (a_row(2, prices="-1,101,99,100"), "open '-1' is not a number"),
        (a_row(2, prices="nan,101,99,100"), "open 'nan' is not a number"),
        (a_row(2, prices="inf,101,99,100"), "open 'inf' is not a number"),
        (a_row(2, prices="1_00,101,99,100"), "open '1_00' is not a number"),
        (a_row(2, prices=" 100,101,99,100"), "open ' 100' is not a number"),
        (a_row(2, prices="١٠٠,101,99,100"), "open '١٠٠' is not a number"),
        (a_row(2, prices="1e999,101,99,100"), "open '1e999' is not a number"),
        (a_row(2, volume="nan"), "volume 'nan' is not a number"),
        (a_row(2, volume=""), "volume '' is not a number"),
        (a_row(2, volume="-3"), "volume '-3' is not a number"),
        (a_row(2) + ",7", "7 cells where 6"),
        ("", "0 cells where 6"),
        (f"{FIRST_MS + 2 * STEP_MS}.0,1,1,1,1,1", "is not whole milliseconds"),
        ("2025-01-01,1,1,1,1,1", "'2025-01-01' is not whole milliseconds"),
        (f"{FIRST_MS // 1000},1,1,1,1,1", "are these seconds?"),
        (f"{FIRST_MS * 1000},1,1,1,1,1", "are these microseconds?"),
        (a_row(1), "is there twice"),
        (a_row(0), "rows must be oldest first"),
        (f"{FIRST_MS + 2 * STEP_MS + 1},1,1,1,1,1", "is off the 5m grid"),
    ],
)
def test_a_bad_row_is_named_by_file_and_line(tmp_path, row, problem):
    message = problem_of(tmp_path, with_row(row))
    assert message.startswith("FILE:4: ")
    assert problem in message
    assert "\n" not in message


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "FILE:1: the columns must be timestamp_ms,open,high,low,close,volume"),
        (HEADER + "\n", "FILE:1: there are no rows"),
        (rows(0).replace("volume", "vol"), "no 'volume', unknown 'vol'"),
        (rows(0).replace("open,high", "high,open"), "another order"),
        (rows(0).replace(HEADER, HEADER + ",trades"), "unknown 'trades'"),
        (a_row(0) + "\n", "FILE:1: the columns must be"),
        (HEADER + "\n" + "1" * 10_000, "FILE:2: the line is longer than 4096 characters"),
        ('timestamp_ms,open,high,low,close,volume\n"' + "1\n" * 200_000, "FILE:"),
    ],
)
def test_what_is_not_a_candle_file_is_said(tmp_path, text, problem):
    assert problem in problem_of(tmp_path, text)


def test_everything_wrong_is_reported_at_once_and_bounded(tmp_path):
    a_file(tmp_path, "\n".join([HEADER, *(a_row(n, volume="x") for n in range(50))]), name="A-USDT_5m.csv")
    a_file(tmp_path, HEADER, name="B-USDT_5m.csv")
    with pytest.raises(MarketDataError) as caught:
        FileMarket.open(tmp_path)
    lines = caught.value.message.splitlines()
    assert lines[0] == "51 problems in the market data"
    assert len(lines) == 22
    assert lines[-1].strip() == "and 31 more"


def test_a_file_that_is_bad_all_the_way_is_not_read_to_its_end(tmp_path):
    message = problem_of(tmp_path, "\n".join([HEADER, *(a_row(n, volume="x") for n in range(3_000))]))
    assert message.startswith("at least 1000 problems")


def test_one_time_that_is_too_early_is_one_problem(tmp_path):
    text = "\n".join([HEADER, a_row(5), a_row(6), a_row(0), a_row(7), a_row(8)])
    assert problem_of(tmp_path, text).startswith("FILE:4: ")


def test_a_broken_gzip_is_said(tmp_path):
    path = tmp_path / "ETH-USDT_5m.csv.gz"
    path.write_bytes(gzip.compress(CLEAN.encode())[:-12])
    with pytest.raises(MarketDataError, match="gzip stream is broken"):
        FileMarket.open(path)
    path.write_text(CLEAN)
    with pytest.raises(MarketDataError, match="gzip stream is broken"):
        FileMarket.open(path)


def test_bytes_that_are_not_text_are_said(tmp_path):
    path = tmp_path / "ETH-USDT_5m.csv"
    path.write_bytes(CLEAN.encode() + b"\xff\xfe")
    with pytest.raises(MarketDataError, match="not UTF-8"):
        FileMarket.open(path)


def test_more_rows_than_the_bound_are_refused(tmp_path):
    path = a_file(tmp_path, rows(*range(20)), name="ETH-USDT_5m.csv.gz")
    assert len(list(rows_of(path, most_rows=20))) == 20
    with pytest.raises(Unreadable, match="more than 19 rows"):
        list(rows_of(path, most_rows=19))


def test_a_candle_file_that_is_a_folder_is_no_file(tmp_path):
    (tmp_path / "ETH-USDT_5m.csv").mkdir()
    with pytest.raises(UsageError, match="no candle files"):
        FileMarket.open(tmp_path)


async def test_plain_gzipped_and_byte_order_marked_files_read_alike(tmp_path):
    found = []
    for name, text in (
        ("ETH-USDT_5m.csv", CLEAN),
        ("ETH-USDT_5m.csv.gz", CLEAN),
        ("ETH-USDT_5m.csv", "\ufeff" + CLEAN.replace("\n", "\r\n")),
    ):
        market = FileMarket.open(a_file(tmp_path, text, name=name))
        found.append(await market.candles("ETH/USDT", limit=100, until=at(100)))
    assert found[0] == found[1] == found[2]
    assert found[0][0].close == Decimal("100.5")


async def test_numbers_come_from_the_text_without_loss(tmp_path):
    text = f"{HEADER}\n{FIRST_MS},0.017050000000000003,0.02,1e-8,0.01,12345678901234567890.123456789\n"
    market = FileMarket.open(a_file(tmp_path, text))
    (bar,) = await market.candles("ETH/USDT", limit=1, until=at(1))
    assert str(bar.open) == "0.017050000000000003"
    assert str(bar.volume) == "12345678901234567890.123456789"


async def test_weeks_open_on_mondays(tmp_path):
    monday, thursday = 1_735_516_800_000, 1_735_776_000_000
    path = a_file(tmp_path, f"{HEADER}\n{monday},1,1,1,1,1\n", name="ETH-USDT_1w.csv")
    assert len(await FileMarket.open(path).candles("ETH/USDT", limit=5, until=at(10_000))) == 1
    path.write_text(f"{HEADER}\n{thursday},1,1,1,1,1\n")
    with pytest.raises(MarketDataError, match="off the 1w grid"):
        FileMarket.open(path)


async def test_parquet_reads_like_the_same_csv(tmp_path):
    pyarrow = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    cells = [line.split(",") for line in CLEAN.splitlines()[1:]]
    columns = dict(zip(HEADER.split(","), zip(*cells, strict=True), strict=True))
    table = pyarrow.table(
        {name: [int(c) if name == "timestamp_ms" else float(c) for c in column] for name, column in columns.items()}
    )
    path = tmp_path / "ETH-USDT_5m.parquet"
    parquet.write_table(table, path)
    found = await FileMarket.open(path).candles("ETH/USDT", limit=100, until=at(100))
    path.unlink()
    expected = await FileMarket.open(a_file(tmp_path, CLEAN)).candles("ETH/USDT", limit=100, until=at(100))
    assert found == expected


def test_a_bad_parquet_file_is_named_by_its_row(tmp_path):
    pyarrow = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    path = tmp_path / "ETH-USDT_5m.parquet"
    good = {"timestamp_ms": [FIRST_MS, FIRST_MS + STEP_MS], **{name: [1.0, None] for name in HEADER.split(",")[1:]}}
    parquet.write_table(pyarrow.table(good), path)
    with pytest.raises(MarketDataError, match=r"parquet:2: open '' is not a number"):
        FileMarket.open(path)
    parquet.write_table(pyarrow.table({"timestamp_ms": [1]}), path)
    with pytest.raises(MarketDataError, match="no 'open'"):
        FileMarket.open(path)
    path.write_text("rubbish")
    with pytest.raises(MarketDataError, match="not a Parquet file"):
        FileMarket.open(path)


def test_the_vendors_export_is_refused_by_its_columns(tmp_path):
    path = tmp_path / "BTC-USDT_1h.csv"
    shutil.copyfile(recorded("odd") / "dirty-vendor-export-BTC-USDT_1h.csv", path)
    with pytest.raises(MarketDataError, match=r"csv:1: the columns must be .*no 'timestamp_ms'"):
        FileMarket.open(path)


def test_recorded_rows_without_volume_are_all_reported(tmp_path):
    path = tmp_path / "XRP-USDT-USDT_1h.csv.gz"
    shutil.copyfile(recorded("odd") / "XRP-USDT-USDT_1h-mark.csv.gz", path)
    with pytest.raises(MarketDataError, match=r"100 problems[\s\S]*csv.gz:2: volume 'nan'[\s\S]*and 80 more"):
        FileMarket.open(path)


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("{", "not one JSON object"),
        ('["a"]', "the line: "),
        ('{"id": "a"}', "title: Field required"),
        ('{"id":"a","title":"t","source":"s","symbols":["btc"],"published_at":"2025-01-01T00:00:00Z"}', "symbols.0: "),
        ('{"id":"a","title":"t","source":"s","symbols":[],"published_at":"2025-01-01T00:00:00"}', "published_at: "),
        ('{"id":"a","title":"\\u200b","source":"s","symbols":[],"published_at":"2025-01-01T00:00:00Z"}', "can be seen"),
        ("[" * 60_000, "not one JSON object"),
    ],
)
def test_a_bad_headline_is_named_by_file_and_line(tmp_path, line, problem):
    a_file(tmp_path, CLEAN)
    good = '{"id":"ok","title":"t","source":"s","symbols":[],"published_at":"2025-01-01T00:00:00Z"}'
    (tmp_path / "headlines.jsonl").write_text(f"{good}\n{line}\n")
    with pytest.raises(MarketDataError, match=re.escape(problem)) as caught:
        FileMarket.open(tmp_path)
    assert "headlines.jsonl:2: " in caught.value.message


async def test_hidden_characters_do_not_come_in_with_a_headline(tmp_path):
    a_file(tmp_path, CLEAN)
    (tmp_path / "headlines.jsonl").write_text(
        '{"id":"a","title":"buy\\u202e\\ud800 now","source":"s\\n",'
        '"symbols":[],"published_at":"2025-01-01T00:00:00Z"}\n'
    )
    (headline,) = await FileMarket.open(tmp_path).headlines(since=at(-1), until=at(1))
    assert (headline.title, headline.source) == ("buy now", "s")


async def test_the_recorded_headlines_are_all_readable(tmp_path):
    a_file(tmp_path, CLEAN)
    shutil.copyfile(recorded(".").parent / "headlines.jsonl", tmp_path / "headlines.jsonl")
    FileMarket.open(tmp_path)


CASES = recorded(".").parent.parent / "cases" / "candles"


def test_hourly_bars_that_are_named_5m_are_refused_by_what_they_look_like():
    with pytest.raises(MarketDataError, match=r"_5m.csv:1: these look like 1h bars: they are 12 × 5m apart") as caught:
        FileMarket.open(CASES / "hourly_named_5m")
    assert "Name the file ..._1h" in caught.value.message


@pytest.mark.parametrize(
    ("numbers", "like"),
    [
        ([0, 12, 24, 36], "1h"),
        ([0, 12, 36, 48, 60, 120, 132], "1h"),  # with gaps of its own
        ([*range(0, 100, 3)], "15m"),
        ([*range(0, 288 * 9, 288)], "1d"),
        ([*range(200), *range(204, 204 + 12 * 30, 12)], "1h"),  # in its second part
    ],
)
def test_longer_bars_are_refused_with_gaps_and_in_part_of_a_file(tmp_path, numbers, like):
    assert f"these look like {like} bars" in problem_of(tmp_path, rows(*numbers))


@pytest.mark.parametrize(
    "numbers",
    [
        [0, 12],
        [0, 1, 13, 25, 26],
        [0, 2, 5, 9, 12],
        [*range(0, 40), *range(60, 100)],
        [*range(0, 200, 12), *range(205, 400)],
    ],
)
def test_gaps_are_no_reason_to_refuse(tmp_path, numbers):
    FileMarket.open(a_file(tmp_path, rows(*numbers)))


@given(st.integers(2, 300), st.lists(st.integers(2, 6), min_size=3, max_size=60))
def test_bars_of_any_length_are_told_whatever_is_missing(bars, gaps):
    """At least half of the distances are one bar of the true length."""
    spacing = Spacing(Timeframe("1m"))
    distances = [bars] * len(gaps) + [bars * gap for gap in gaps]
    for line, distance in enumerate(distances):
        spacing.add(distance, line=2 * line)
    hours, minutes = divmod(bars, 60)
    assert f"these look like {f'{hours}h' if not minutes else f'{bars}m'} bars" in spacing.wrong(len(distances))


@given(st.lists(st.booleans(), min_size=60, max_size=400))
def test_a_market_that_trades_now_and_then_is_read(traded):
    """Each bar is there or not, by chance."""
    spacing, there = Spacing(Timeframe("1m")), [minute for minute, is_there in enumerate(traded) if is_there]
    distances = [after - before for before, after in pairwise(there)]
    for line, distance in enumerate(distances):
        if distance > 1:
            spacing.add(distance, line=line)
    assume(20 * distances.count(1) > len(distances))
    assume(all(len(list(same)) < 24 for distance, same in groupby(distances) if distance > 1))
    assert spacing.wrong(len(distances)) == ""


def test_bars_of_a_session_a_day_are_as_long_as_they_say(tmp_path):
    """Half-day bars of an exchange that opens in the afternoon: one a day, and a weekend between."""
    noons = [day * 86_400_000 + 43_200_000 for day in range(20_100, 20_120)]
    weekdays = [at_ms for at_ms in noons if (at_ms // 86_400_000 + 3) % 7 < 5]
    a_file(tmp_path, "\n".join([HEADER, *(f"{at_ms},1,1,1,1,1" for at_ms in weekdays)]), name="A-USD_12h.csv")
    with pytest.raises(MarketDataError, match=r"these look like 1d bars.*state its calendar in market.toml"):
        FileMarket.open(tmp_path)
    (tmp_path / "market.toml").write_text('asset_class = "equity"\ncalendar = "NYSE"\n')
    FileMarket.open(tmp_path)


def test_a_bar_that_is_off_by_a_hundred_is_noted(tmp_path):
    slipped = a_row(2, prices="100,10050,99,100.5")
    low = a_row(4, prices="1.00,1.01,0.99,1.005")
    text = "\n".join([HEADER, a_row(0), a_row(1), slipped, a_row(3), low, a_row(5)])
    notes = [note for note in FileMarket.open(a_file(tmp_path, text)).notes if "is that so?" in note]
    assert notes == [
        "ETH-USDT_5m.csv: the bar at 2025-01-01 00:10 goes to 10050, 100 times the close before it, 100.5: is that so?",
        "ETH-USDT_5m.csv: the bar at 2025-01-01 00:20 goes to 0.99, 1/102 of the close before it, 100.5: is that so?",
        "ETH-USDT_5m.csv: the bar at 2025-01-01 00:25 goes to 101, 100 times the close before it, 1.005: is that so?",
    ]


@pytest.mark.parametrize(
    ("case", "says"),
    [
        ("binance_klines_ms", "klines without a header, with times in milliseconds: put the header above, and keep"),
        ("chart_export", "with the seconds times 1,000"),
        ("banner_newest_first", "a line above the header: delete that line, and write timestamp_ms,open"),
        ("three_header_rows", "three header rows with dates as text: leave the rows Ticker and Date out"),
    ],
)
def test_forms_of_others_are_told_with_what_to_do(case, says):
    with pytest.raises(MarketDataError, match=re.escape(says)):
        FileMarket.open(CASES / case)


@pytest.mark.parametrize("path", ["array_json", "array_json/BTC_USDT-1h.json"])
def test_candles_as_json_are_told_with_what_to_do(path):
    with pytest.raises(UsageError, match=r"it looks like candles as JSON arrays .* as CSV, write timestamp_ms,open"):
        FileMarket.open(CASES / path)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("1735689600000000,1,1,1,1,1,1,1,1,1,1,0\n", "with the microseconds divided by 1,000"),
        ("timestamp,Open,High,Low,Close,Volume\n1735689600,1,1,1,1,1\n", "with the seconds times 1,000"),
        ("Date,Open,High,Low,Close,Volume\n2025-01-01,1,1,1,1,1\n", "each time as milliseconds since 1970 in UTC"),
    ],
)
def test_neighbours_of_those_forms_are_told_too(tmp_path, text, says):
    assert says in problem_of(tmp_path, text)
