//! One history in all the ways people write it down, and what can be read in two ways.

use super::{BUDGET, reading};
use scenarios::history::{Datum, ModelName, Reading, Ruling, Stage, judge, read};

/// Process, stage, function, value and line of every event.
fn events(text: &str) -> Vec<(String, Stage, String, Datum, u32)> {
    let events = read("x", text).unwrap_or_else(|problems| panic!("{problems}\n{text}"));
    events.into_iter().map(|e| (e.process.to_string(), e.stage, e.f.to_string(), e.value, e.line)).collect()
}

fn judged(text: &str, model: ModelName, flags: &str) -> Result<Ruling, String> {
    let judged = judge("x", text, model, &reading(flags), BUDGET, &mut || true);
    judged.map(|judged| judged.ruling).map_err(|problems| problems.render(false))
}

#[test]
fn every_notation_says_the_same() {
    use Stage::{Fail, Invoke, Ok};
    let one = Datum::text("1");
    let pair = Datum::List(vec![one.clone(), Datum::text("2")]);
    let expected = [
        ("0", Invoke, "write", one.clone()),
        ("0", Ok, "write", one),
        ("1", Invoke, "cas", pair.clone()),
        ("1", Fail, "cas", pair),
    ];
    let edn = "{:process 0, :type :invoke, :f :write, :value 1}
{:process 0, :type :ok, :f :write, :value 1N}
{:process 1, :type :invoke, :f :cas, :value [1 2]}
{:process 1, :type :fail, :f :cas, :value [1 2], :error :connection-refused}
";
    let log = "INFO  jepsen.util - 0\t:invoke\t:write\t1
INFO  jepsen.util - 0\t:ok\t:write\t1
INFO  jepsen.util - 1\t:invoke\t:cas\t[1 2]
INFO  jepsen.util - 1\t:fail\t:cas\t[1 2]\t:connection-refused
";
    let dated =
        log.replace("INFO  jepsen.util -", "2021-02-26 23:39:01,300{GMT}\tINFO\t[jepsen worker 1] jepsen.util:");
    let json = r#"{"process": 0, "type": "invoke", "f": "write", "value": 1}
{"process": 0, "type": "ok", "f": "write", "value": 1}
{"process": 1, "type": "invoke", "f": "cas", "value": [1, 2]}
{"process": 1, "type": "fail", "f": "cas", "value": [1, 2], "error": null}
"#;
    let tuples = "[0 :invoke :write 1]\n[0 :ok :write 1]\n[1 :invoke :cas [1 2]]\n[1 :fail :cas [1 2]]\n";
    let bare = log.replace("INFO  jepsen.util - ", "");
    let records = edn.replace("{:process", "#jepsen.history.Op{:index 0, :time 7, :process");
    for text in [
        edn.to_owned(),
        records.clone(),
        edn.replace('\n', "\r\n"),
        format!("\u{feff}{edn}"),
        format!("\u{feff}{log}"),
        edn.replace(", ", " "),
        format!("[{}]", edn.trim_end()),
        format!("({records})"),
        tuples.to_owned(),
        format!("[{}]", tuples.trim_end()),
        log.to_owned(),
        log.replace('\t', "   "),
        log.replace('\n', "\r\n"),
        bare.replace('\t', " "),
        bare,
        dated,
        json.to_owned(),
        format!("[{}]", json.trim_end().replace("}\n", "},\n")),
        json.replace("\"invoke\"", "\":invoke\"").replace(": ", ":"),
    ] {
        let found = events(&text);
        let expected: Vec<_> = expected
            .iter()
            .enumerate()
            .map(|(i, (process, stage, f, value))| {
                ((*process).to_owned(), *stage, (*f).to_owned(), value.clone(), i as u32 + 1)
            })
            .collect();
        assert_eq!(found, expected, "{text}");
    }
}

#[test]
fn lines_are_counted_as_an_editor_counts_them() {
    let text = "; recorded on a Monday\n# by hand\n\n[{:type :invoke,\n :f :read,\n :value nil,\n :process 3}\n \
        #_{:process 9}\n ; the answer\n\n {:process 3,\n  :type :ok, :f :read, :value #{\"}\" \\}}}]\n";
    let lines: Vec<u32> = events(text).iter().map(|event| event.4).collect();
    assert_eq!(lines, [4, 11]);
    let wrong = text.replace(":type :ok, ", "");
    let problems = judged(&wrong, ModelName::Register, "").expect_err("an end without a type");
    assert!(problems.contains("no :type") && problems.contains("x:11:"), "{problems}");
}

#[test]
fn what_clojure_prints_beside_data_is_passed_over() {
    let text = r##"{:process 0, :type :invoke, :f :write, :value 1, :re #"a\.b", :c \{, :n ##NaN, :d 1.5M, :x 'y, :m ^{:a 1} [2]}
{:process 0, :type :info, :f :write, :value 1, :error [:boom "a \"quoted\" } word"], :exception #error {:via [{:at [java.net.Socket connect "Socket.java" 1]}]}, :o #object[java.lang.Object 0x1f "x"]}
{:process :nemesis, :type :info, :f :kill, :value {"n1" :killed}}
"##;
    let found = events(text);
    assert_eq!(found.len(), 2, "{found:?}");
    assert_eq!(judged(text, ModelName::Register, ""), Ok(Ruling::Linearizable));
}

#[test]
fn what_only_the_nemesis_did_proves_nothing() {
    for text in ["[{:process :nemesis, :type :info, :f :kill, :value nil}]", "x - :nemesis\t:info\t:start\tnil\n"] {
        assert_eq!(judged(text, ModelName::Register, ""), Ok(Ruling::Inconclusive), "{text}");
    }
    let text = "{:process 0, :type :invoke, :f :cas, :value [1 2]}\n{:process 0, :type :fail, :f :cas, :value [1 2]}\n";
    assert_eq!(judged(text, ModelName::Register, ""), Ok(Ruling::Inconclusive));
}

#[test]
fn no_more_than_a_screen_is_shown() {
    let many = "{:process 0, :type :maybe, :f :read, :value nil}\n".repeat(5_000);
    let long = format!("[{}", "{:process 0, :type :maybe, :f :read, :value nil} ".repeat(5_000));
    let one = format!("{{:process 0, :type :invoke, :f :write, :value [{}]", "\u{2603} 1 ".repeat(50_000));
    for text in [many, long, one] {
        let shown = judged(&text, ModelName::Register, "").expect_err("it is wrong");
        assert!(shown.lines().count() <= 60 && shown.chars().count() < 8_000, "{} characters", shown.chars().count());
    }
    let shown = judged(&"{:process 0, :type :maybe}\n".repeat(5_000), ModelName::Register, "").expect_err("wrong");
    assert!(shown.contains("problems, of which these are the first 8"), "{shown}");
}

#[test]
fn a_line_that_is_cut_off_does_not_hide_those_after_it() {
    let text = "{:process 5, :type :invoke, :f :read\n{:process 1, :type :maybe, :f :read, :value 1}\n{:process 2, \
        :type :ok, :value 1}\n";
    let shown = judged(text, ModelName::Register, "").expect_err("it is wrong");
    for what in ["x:1:", "x:2:", "x:3:", "3 problems"] {
        assert!(shown.contains(what), "{what}: {shown}");
    }
}

/// Two registers whose histories are right apart and wrong together.
const TUPLES: [&str; 4] = [
    "{:process 0, :type :invoke, :f :write, :value [1 7]}\n{:process 0, :type :ok, :f :write, :value [1 7]}\n",
    "{:process 1, :type :invoke, :f :write, :value [2 8]}\n{:process 1, :type :ok, :f :write, :value [2 8]}\n",
    "{:process 0, :type :invoke, :f :read, :value [1 nil]}\n{:process 0, :type :ok, :f :read, :value [1 7]}\n",
    "{:process 0, :type :invoke, :f :read, :value nil}\n{:process 0, :type :ok, :f :read, :value [1 7]}\n",
];

#[test]
fn tuples_are_keys_and_values_if_nothing_else_fits_and_never_silently() {
    use ModelName::Register;
    let [first, second, asks_with_key, asks_without] = TUPLES;
    let writes = format!("{first}{second}");
    // Writes alone can be read both ways, whatever a byte-order mark or a carriage return does to the text.
    for text in [writes.clone(), format!("\u{feff}{writes}"), writes.replace('\n', "\r\n")] {
        let shown = judged(&text, Register, "").expect_err("it can be read both ways");
        assert!(shown.contains("both ways") && shown.contains("--keyed") && shown.contains("--not-keyed"), "{shown}");
        assert_eq!(judged(&text, Register, "--keyed"), Ok(Ruling::Linearizable));
        assert_eq!(judged(&text, Register, "--not-keyed"), Ok(Ruling::Linearizable));
    }
    let keyed = format!("{writes}{asks_with_key}");
    assert_eq!(judged(&keyed, Register, ""), Ok(Ruling::Linearizable));
    assert_eq!(judged(&keyed, Register, "--not-keyed"), Ok(Ruling::NotLinearizable));
    let plain = format!("{writes}{asks_without}");
    assert_eq!(judged(&plain, Register, ""), Ok(Ruling::NotLinearizable));
    let shown = judged(&plain, Register, "--keyed").expect_err("nil is no tuple");
    assert!(shown.contains("no tuple") && shown.contains("x:5:"), "{shown}");
    // One line that says it is keyed and one that says it is not.
    let shown = judged(&format!("{keyed}{asks_without}"), Register, "").expect_err("it says both");
    assert!(shown.contains("line 5 asks with a tuple") && shown.contains("--not-keyed"), "{shown}");
    // A compare-and-set takes two values; with a key in front, those two.
    let cas = "{:process 0, :type :invoke, :f :cas, :value [1 2]}\n{:process 0, :type :ok, :f :cas, :value [1 2]}\n";
    assert_eq!(judged(cas, Register, "--initial 1"), Ok(Ruling::Linearizable));
    let cas = cas.replace("[1 2]", "[9 [1 2]]") + asks_with_key;
    assert_eq!(judged(&format!("{first}{cas}"), Register, "--initial 1"), Ok(Ruling::Linearizable));
    // A transaction of two steps is a list of two, and no tuple.
    let txn = "{:process 0, :type :invoke, :f :txn, :value [[:w :x 1] [:r :x nil]]}\n{:process 0, :type :ok, :f :txn, \
        :value [[:w :x 1] [:r :x 1]]}\n";
    assert_eq!(judged(txn, ModelName::MultiRegister, ""), Ok(Ruling::Linearizable));
    let keyed = txn.replace("[[:w", "[7 [[:w").replace("]]}", "]]]}");
    assert_eq!(judged(&keyed, ModelName::MultiRegister, ""), Ok(Ruling::Linearizable));
    // A key that a line names is one, and its values may be lists.
    let named = TUPLES[3].replace(":value", ":key 3, :value");
    assert_eq!(judged(&named, Register, "--initial [1_7]"), Ok(Ruling::Linearizable));
    assert_eq!(judged(&named, Register, ""), Ok(Ruling::NotLinearizable));
}

#[test]
fn a_failed_compare_and_set_never_happened_unless_it_looked() {
    let write = "{:process 0, :type :invoke, :f :write, :value 1}\n{:process 0, :type :ok, :f :write, :value 1}\n";
    let cas = "{:process 1, :type :invoke, :f :cas, :value [1 2]}\n{:process 1, :type :fail, :f :cas, :value [1 2]";
    for (error, looked) in [
        ("}", Ruling::NotLinearizable),
        (", :error nil}", Ruling::NotLinearizable),
        (", :error [:precondition-failed \"expected 1, but had 3\"]}", Ruling::NotLinearizable),
        (", :error :connection-refused}", Ruling::Linearizable),
        (", :error [:temporarily-unavailable nil]}", Ruling::Linearizable),
    ] {
        let text = format!("{write}{cas}{error}\n");
        assert_eq!(judged(&text, ModelName::Register, ""), Ok(Ruling::Linearizable), "{error}");
        assert_eq!(judged(&text, ModelName::Register, "--failed-cas looked"), Ok(looked), "{error}");
    }
}

#[test]
fn a_read_of_nil_and_the_beginning_are_what_somebody_says_they_are() {
    let nil = format!(
        "{}{}",
        "{:process 0, :type :invoke, :f :write, :value 1}\n{:process 0, :type :ok, :f :write, :value 1}\n",
        "{:process 0, :type :invoke, :f :read, :value nil}\n{:process 0, :type :ok, :f :read, :value nil}\n"
    );
    assert_eq!(judged(&nil, ModelName::Register, ""), Ok(Ruling::Linearizable));
    assert_eq!(judged(&nil, ModelName::Register, "--nil-is-absent"), Ok(Ruling::NotLinearizable));
    // A store says nil of what it does not have.
    assert_eq!(judged(&nil, ModelName::Kv, ""), Ok(Ruling::NotLinearizable));
    let zero = "{:process 0, :type :invoke, :f :read, :value nil}\n{:process 0, :type :ok, :f :read, :value 0}\n";
    assert_eq!(judged(zero, ModelName::Register, "--initial 0"), Ok(Ruling::Linearizable));
    assert_eq!(judged(zero, ModelName::Register, "--initial 1"), Ok(Ruling::NotLinearizable));
    let how = Reading::default();
    let judged = judge("x", zero, ModelName::Register, &how, BUDGET, &mut || true).expect("it can be read");
    assert!(judged.why.contains("--initial says so"), "{}", judged.why);
    let queue = zero.replace(":read", ":dequeue");
    let problems = judge("x", &queue, ModelName::Queue, &reading("--initial 0"), BUDGET, &mut || true);
    assert!(problems.expect_err("queues begin empty").render(false).contains("begins empty"));
}
