//! Histories of transactions: every anomaly by its name, at the levels that forbid it and at those that do not.

use scenarios::history::{JudgedTransactions, TransactionModel, judge_transactions};
use sim_core::transactions::{Level, Ruling};
use std::path::{Path, PathBuf};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures/transactions")
}

fn model(name: &str) -> TransactionModel {
    use TransactionModel::{Bank, ListAppend, LongFork, RwRegister};
    let all = [ListAppend, RwRegister, LongFork, Bank];
    all.into_iter().find(|model| model.name() == name).unwrap_or_else(|| panic!("no model {name}"))
}

fn level(name: &str) -> Level {
    Level::ALL.into_iter().find(|level| level.name() == name).unwrap_or_else(|| panic!("no level {name}"))
}

fn judged(file: &str, model: TransactionModel, level: Level) -> JudgedTransactions {
    let text = std::fs::read_to_string(folder().join(file)).unwrap_or_else(|error| panic!("{file}: {error}"));
    judge_transactions(file, &text, model, level, None).unwrap_or_else(|problems| panic!("{problems}"))
}

#[test]
fn every_anomaly_is_found_by_its_name() {
    let labels = std::fs::read_to_string(folder().join("LABELS.csv")).expect("the labels are beside the histories");
    let mut held = 0;
    for line in labels.lines().skip(1) {
        let [file, of, by, ruling, anomaly] = line.split(',').collect::<Vec<_>>()[..] else { panic!("{line}") };
        let judged = judged(file, model(of), level(by));
        let found = match judged.ruling {
            Ruling::Holds => "holds",
            Ruling::Broken => "broken",
            Ruling::Inconclusive => "inconclusive",
        };
        assert_eq!(found, ruling, "{line}: {judged:#?}");
        let names: Vec<&str> = judged.anomalies.iter().map(|finding| &*finding.name).collect();
        assert!(anomaly.is_empty() || names.contains(&anomaly), "{line}: {names:?}");
        assert_eq!(anomaly.is_empty(), names.is_empty(), "{line}: {names:?}");
        held += 1;
    }
    assert_eq!(held, 31);
}

#[test]
fn a_cycle_is_told_in_words() {
    let judged = judged("write-skew.edn", TransactionModel::ListAppend, Level::Serializable);
    let finding = &judged.anomalies[0];
    let told: Vec<&str> = finding.cycle.iter().map(|wait| &*wait.text).collect();
    assert_eq!(
        told,
        ["T1 read nothing of x, which T2 followed with 1", "T2 read nothing of y, which T1 followed with 1"]
    );
    assert_eq!(judged.why, "G2-item, which serializable forbids");
}

#[test]
fn what_is_no_history_of_transactions_is_refused_with_its_line() {
    for (text, model, what) in [
        ("{:process 0, :type :invoke, :f :txn, :value 7}", TransactionModel::ListAppend, "7 is no list of operations"),
        (
            "{:process 0, :type :invoke, :f :txn, :value [[:inc x 1]]}",
            TransactionModel::ListAppend,
            ":inc is no operation",
        ),
        ("{:process 0, :type :invoke, :f :txn, :value [[:append x 1]]}", TransactionModel::RwRegister, ":append is no"),
        ("{:process 0, :type :invoke, :f :txn, :value [[:w x]]}", TransactionModel::RwRegister, "is no operation:"),
        ("{:process 0, :type :invoke, :f :txn, :value [[:w x nil]]}", TransactionModel::RwRegister, "writes nil"),
        ("{:process 0, :type :ok, :f :txn, :value [[:w x 1]]}", TransactionModel::RwRegister, "never began"),
        ("{:process 0, :type :invoke, :f :txn, :value [[:w x 1]]", TransactionModel::RwRegister, "never closed"),
        ("{:process 0, :type :invoke, :f :steal, :value nil}", TransactionModel::Bank, "nothing that a bank does"),
        ("", TransactionModel::Bank, "empty"),
    ] {
        let problems = judge_transactions("h.edn", text, model, Level::Serializable, None).expect_err(text).to_string();
        assert!(problems.contains(what), "{text}: {problems}");
    }
}
