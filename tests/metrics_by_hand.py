"""Every metric from its definition, with loops and no library."""

import math

import numpy as np

TOLD_THRESHOLDS = (0.1, 0.25, 0.5)


def divide(over, under):
    return over / under if under else math.nan


def mean_of_defined(values):
    defined = [value for value in values if not math.isnan(value)]
    return sum(defined) / len(defined) if defined else math.nan


def table(truth, predicted, code):
    """True positives, false positives, false negatives, true negatives of a class."""
    pairs = [(t == code, p == code) for t, p in zip(truth, predicted, strict=True)]
    return [
        pairs.count(kind) for kind in ((True, True), (False, True), (True, False), (False, False))
    ]


def calibration_by_hand(came_true, values):
    """Bins by mean rank among all, found by counting."""
    count = max(1, min(10, len(values) // 10))
    held = {}
    for value, true in zip(values, came_true, strict=True):
        below, equal = sum(values < value), sum(values == value)
        rank = below + (equal + 1) / 2
        number = min(int((rank - 0.5) / len(values) * count), count - 1)
        held.setdefault(number, []).append((value, true))
    error = 0.0
    for pairs in held.values():
        gap = sum(v for v, _ in pairs) / len(pairs) - sum(t for _, t in pairs) / len(pairs)
        error += len(pairs) / len(values) * abs(gap)
    return error


def class_by_hand(truth, predicted, values, code, specificity):
    own, positive = values[:, code], truth == code
    tp, fp, fn, tn = table(truth, predicted, code)
    sensitivity, spec = divide(tp, tp + fn), divide(tn, tn + fp)
    area = precision_mean = at_specificity = math.nan
    if 0 < positive.sum() < len(truth):
        wins = [(p > n) + 0.5 * (p == n) for p in own[positive] for n in own[~positive]]
        area = sum(wins) / len(wins)
        precision_mean, at_specificity, before = 0.0, 0.0, 0.0
        for threshold in sorted(set(own), reverse=True):
            hits = sum(own[positive] >= threshold)
            alarms = sum(own[~positive] >= threshold)
            recall = hits / positive.sum()
            precision_mean += (recall - before) * hits / (hits + alarms)
            before = recall
            if 1 - alarms / (~positive).sum() >= specificity - 1e-12:
                at_specificity = max(at_specificity, recall)
    benefits = {}
    for threshold in TOLD_THRESHOLDS:
        acted = own >= threshold
        weight = threshold / (1 - threshold)
        gain = sum(acted & positive) - weight * sum(acted & ~positive)
        benefits[f"net_benefit_at_{threshold}"] = gain / len(truth)
    return {
        "recall": sensitivity,
        "precision": divide(tp, tp + fp),
        "specificity": spec,
        "f1": divide(2 * tp, 2 * tp + fp + fn),
        "auc": area,
        "average_precision": precision_mean,
        "calibration_error": calibration_by_hand(positive, own),
        "sensitivity_at_specificity": at_specificity,
        "positive_likelihood_ratio": divide(sensitivity * (fp + tn), fp) if tp + fn else math.nan,
        "negative_likelihood_ratio": divide(fn * (fp + tn), (tp + fn) * tn)
        if tp + fn
        else math.nan,
        **benefits,
    }


def by_hand(truth, predicted, values, costs, specificity):
    classes = range(values.shape[1])
    present = sorted(set(truth) | set(predicted))
    of_class = [class_by_hand(truth, predicted, values, code, specificity) for code in classes]
    precisions, recalls, f1s, true_recalls = [], [], [], []
    for code in present:
        tp, fp, fn, _ = table(truth, predicted, code)
        precisions.append(tp / (tp + fp) if tp + fp else 0.0)
        recalls.append(tp / (tp + fn) if tp + fn else 0.0)
        f1s.append(2 * tp / (2 * tp + fp + fn))
        if tp + fn:
            true_recalls.append(tp / (tp + fn))
    count = len(truth)
    seen = sum((int(t) - int(p)) ** 2 for t, p in zip(truth, predicted, strict=True))
    chance = sum((int(t) - int(p)) ** 2 for t in truth for p in predicted) / count
    chosen = [max(values[n][truth[n]], np.finfo(float).eps) for n in range(count)]
    one_hot = [[float(truth[n] == code) for code in classes] for n in range(count)]
    top = [max(classes, key=lambda code: (values[n][code], -code)) for n in range(count)]
    return {
        "accuracy": sum(truth == predicted) / count,
        "precision": sum(precisions) / len(precisions),
        "recall": sum(recalls) / len(recalls),
        "balanced_accuracy": sum(true_recalls) / len(true_recalls),
        "auc": mean_of_defined([scores["auc"] for scores in of_class]),
        "kappa": 1.0 - seen / chance if chance else math.nan,
        "specificity": mean_of_defined([scores["specificity"] for scores in of_class]),
        "f1": sum(f1s) / len(f1s),
        "average_precision": mean_of_defined([s["average_precision"] for s in of_class]),
        "mcc": mcc_by_hand(truth, predicted, classes),
        "expected_cost": sum(costs[t][p] for t, p in zip(truth, predicted, strict=True)) / count,
        "brier": sum(
            sum((values[n][code] - one_hot[n][code]) ** 2 for code in classes) for n in range(count)
        )
        / count,
        "log_loss": -sum(math.log(value) for value in chosen) / count,
        "classwise_calibration_error": sum(s["calibration_error"] for s in of_class)
        / len(of_class),
        "confidence_calibration_error": calibration_by_hand(
            np.array(top) == truth, np.array([values[n][top[n]] for n in range(count)])
        ),
        "sensitivity_at_specificity": mean_of_defined(
            [scores["sensitivity_at_specificity"] for scores in of_class]
        ),
    }


def mcc_by_hand(truth, predicted, classes):
    """Pearson's correlation of the two one-hot matrices, summed over classes (Gorodkin 2004)."""
    true = np.array([[float(t == code) for code in classes] for t in truth])
    said = np.array([[float(p == code) for code in classes] for p in predicted])
    true -= true.mean(axis=0)
    said -= said.mean(axis=0)
    under = math.sqrt((true**2).sum() * (said**2).sum())
    return (true * said).sum() / under if under > 1e-9 else math.nan
